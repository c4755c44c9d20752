/** The mail system of a soak: daemons and servers that are started again when they end, who kills them, who looks on. */
import { closeSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { Group, host, PrivateHome, readProcess } from "../helpers/home.ts";
import { sinkHost } from "./soak-books.ts";

/** Milliseconds that something that ended stays away, as with supervise(8). */
const pause = 1000;

export const servers = ["smtp", "qmtp", "qmqp", "pop3"] as const;
export type Server = (typeof servers)[number];

const password = "secret";

/** One thing that is supervised. */
class Service {
  readonly #start: () => Group;
  readonly #ended: () => void;
  #group: Group;
  #stopping = false;
  /** How often it was started. */
  starts = 1;
  readonly #watched: Promise<void>;

  /** `ended` is called whenever it has ended by itself. */
  constructor(start: () => Group, ended: () => void) {
    this.#start = start;
    this.#ended = ended;
    this.#group = start();
    this.#watched = this.#watch();
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.#group.ended();
      if (this.#stopping) return;
      this.#ended();
      await Bun.sleep(pause);
      if (this.#stopping) return;
      this.starts++;
      this.#group = this.#start();
    }
  }

  get pids(): number[] {
    return this.#group.processes();
  }

  signal(name: NodeJS.Signals): void {
    this.#group.signal(name);
  }

  /** TERM, and waits for the end. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#group.signal("SIGTERM");
    await this.#watched;
    await this.#group.kill();
  }
}

/** What there is at one moment. */
export interface Sample {
  /** Seconds since the begin. */
  time: number;
  /** Memory of all daemons and servers, each page counted once, in kB. */
  memory: number;
  descriptors: number;
  /** Files in the queue. */
  queued: number;
  processes: number;
}

export class System {
  readonly home: PrivateHome;
  readonly ports: Readonly<Record<Server, number>>;
  readonly #services: Record<string, Service> = {};

  readonly #ended: () => void;

  private constructor(home: PrivateHome, ports: Record<Server, number>, ended: () => void) {
    this.home = home;
    this.ports = ports;
    this.#ended = ended;
  }

  /**
   * Makes a home below a directory, and starts everything. `sink`: the port of the host remote.example; `ended`: called when
   * something that is supervised has ended by itself.
   */
  static async start(scratch: string, sink: number, ended: () => void): Promise<System> {
    const home = new PrivateHome("joe", scratch);
    for (const user of ["ann", "bob"]) home.run("qmail", "user", "add", user);
    const control = (name: string, text: string): void =>
      writeFileSync(join(home.path, "control", name), text);
    const instructions = (name: string, text: string): void =>
      writeFileSync(join(home.path, "mail/joe", `.qmail-${name}`), text);
    control("smtproutes", `${sinkHost}:127.0.0.1:${sink}\n`);
    instructions("onward", `&ann@${host}\n`);
    instructions("list", `./Maildir/\n&ann@${host}\n&bob@${host}\n`);
    const { exitCode, stderr } = Bun.spawnSync([home.program("qmail"), "user", "passwd", "ann"], {
      stdin: Buffer.from(`${password}\n`),
      env: home.environment,
    });
    if (exitCode !== 0) throw new Error(stderr.toString());
    const [smtp, qmtp, qmqp, pop3] = await freePorts(4);
    if (smtp === undefined || qmtp === undefined || qmqp === undefined || pop3 === undefined)
      throw new Error("no free ports");
    const system = new System(home, { smtp, qmtp, qmqp, pop3 }, ended);
    system.#startAll();
    return system;
  }

  #startAll(): void {
    const { home, ports } = this;
    const environment = { ...home.environment, RELAYCLIENT: "" };
    const service = (name: string, command: string[]): void => {
      this.#services[name] = new Service(() => {
        const log = openSync(join(home.path, `${name}.log`), "a");
        const group = new Group(command, environment, log);
        closeSync(log);
        return group;
      }, this.#ended);
    };
    service("send", [join(home.path, "rc")]);
    for (const name of ["smtp", "qmtp", "qmqp"] as const)
      service(name, [home.program(`qmail-${name}d`), "--listen", `127.0.0.1:${ports[name]}`]);
    const pop = [`127.0.0.1:${ports.pop3}`, "pop", "checkpassword", "qmail-pop3d", "Maildir"];
    service("pop3", [home.program("qmail-popup"), "--listen", ...pop]);
  }

  /** What a user of the POP3 server has to say first. */
  login(user: string): string {
    return `USER ${user}\r\nPASS ${password}\r\n`;
  }

  /** Has everything tried again that was put off. */
  retry(): void {
    this.#services.send?.signal("SIGALRM");
  }

  /** How often each was started. */
  get starts(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.#services).map(([name, { starts }]) => [name, starts]));
  }

  /** Every process that belongs to the home: its daemons, servers, workers, and what clients run. */
  processes(): { pid: number; name: string }[] {
    return readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => readProcess(pid, "environ")?.includes(`QMAILHOME=${this.home.path}\0`) === true)
      .map((pid) => ({ pid: Number(pid), name: nameOf(pid) }))
      .filter(({ name }) => name !== "");
  }

  async stop(): Promise<void> {
    const { send, ...others } = this.#services;
    await Promise.all(Object.values(others).map((service) => service.stop()));
    await send?.stop();
  }

  sample(time: number): Sample {
    const pids = Object.values(this.#services).flatMap((service) => service.pids);
    const memory = pids.map((pid) =>
      Number(/^Pss:\s+(\d+)/m.exec(readProcess(pid, "smaps_rollup") ?? "")?.[1] ?? 0),
    );
    return {
      time,
      memory: sum(memory),
      descriptors: sum(pids.map(descriptorsOf)),
      queued: this.home.queued().length,
      processes: pids.length,
    };
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** The program that a process is, by argument 0; empty: it is gone. */
function nameOf(pid: string): string {
  const [first = ""] = readProcess(pid, "cmdline")?.split("\0") ?? [];
  return basename(first);
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0; // It has ended.
  }
}

/** Ports that nobody had a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const found = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of found) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address !== null && typeof address === "object") ports.push(address.port);
  }
  for (const server of found) await new Promise((resolve) => server.close(resolve));
  return ports;
}
