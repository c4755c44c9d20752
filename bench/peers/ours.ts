/** This project: a private home, as `qmail init` makes it and `npm start` runs it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { built, root } from "../ground.ts";
import {
  answers,
  deliveries,
  domain,
  type Peer,
  runDirectory,
  type Setup,
  System,
  smtpRoutes,
  until,
  users,
} from "./peer.ts";

const servers = { connections: 1200, backlog: 1024 };

class Ours extends System {
  readonly home: string;
  readonly sendmail: readonly string[];
  override readonly environment: Readonly<Record<string, string>>;

  constructor(directory: string) {
    super(directory);
    this.home = join(directory, "qmail");
    this.queueDirectory = join(this.home, "queue");
    this.sendmail = [this.program("sendmail"), "-fbench@test.example"];
    this.environment = { QMAILHOME: this.home };
  }

  readonly manager = "qmail-send";
  override readonly queueDirectory: string;
  protected readonly queue = qmailQueue("qmail/queue");

  verp(recipients: readonly string[]) {
    const command = [this.program("qmail-inject"), "-flist-@test.example-@[]", ...recipients];
    return { command, environment: { ...this.environment } };
  }

  program(name: string): string {
    return join(this.home, "bin", name);
  }

  maildir(user: string): string {
    return join(this.home, "mail", user, "Maildir");
  }

  async prepare(setup: Setup): Promise<void> {
    const { lists = {}, hold = false, again = false } = setup;
    const { home, environment } = this;
    const qmail = join(built, "qmail");
    const once = (words: readonly string[], input = "") => {
      const done = Bun.spawnSync([...words], { env: environment, stdin: Buffer.from(input), stderr: "pipe" });
      if (done.exitCode !== 0) throw new Error(`bench: ${words.join(" ")}: ${done.stderr.toString()}`);
    };
    if (!again) {
      once([qmail, "init", "--home", home, "--host", domain]);
      once([qmail, "user", "add", ...users]);
    }
    const control = (name: string, text: string) => writeFileSync(join(home, "control", name), text);
    control("concurrencylocal", `${deliveries}\n`);
    control("concurrencyremote", hold ? "0\n" : `${deliveries}\n`);
    control("smtproutes", smtpRoutes(setup));
    for (const [name, addresses] of Object.entries(lists))
      writeFileSync(join(home, `alias/.qmail-${name}`), addresses.map((address) => `&${address}\n`).join(""));
    writeFileSync(join(home, "mail/ann/.qmail-default"), "./Maildir/\n");
    writeFileSync(join(home, "alias/.qmail-trash-default"), "#\n");
    once(
      [this.program("tcprules"), join(home, "rules.cdb"), join(home, "rules.tmp")],
      '127.:allow,RELAYCLIENT=""\n',
    );
  }

  async serve(clients: number, processes: number): Promise<void> {
    const limits = ["--connections", `${clients}`, "--backlog", `${servers.backlog}`];
    if (processes > 1) limits.push("--processes", `${processes}`);
    const listen = ["--listen", `127.0.0.1:${this.smtpPort}`, "--rules", join(this.home, "rules.cdb")];
    this.group.spawn([this.program("qmail-smtpd"), ...listen, ...limits], {
      environment: this.environment,
      log: join(this.directory, "smtpd.log"),
    });
    await answers(this.smtpPort);
  }

  async deliver(): Promise<void> {
    const log = join(this.directory, "log");
    this.group.spawn([join(this.home, "rc")], { log });
    await until(
      "qmail-send says its status",
      () => existsSync(log) && readFileSync(log).includes("status: "),
    );
  }
}

/** The queue of any qmail, and its log. */
export const qmailQueue = (queue: string) => ({
  directories: [`${queue}/mess`, `${queue}/todo`],
  log: "log",
  success: ": success: ",
});

/** With so many processes of qmail-smtpd that serve. */
export function ours(processes = 1): Peer {
  const version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version as string;
  return {
    key: "ours",
    name: `qmail-ts ${version}${processes === 1 ? "" : `, --processes ${processes}`}`,
    programs: built,
    settings: [
      "private home of root; qmail-smtpd --listen; log of qmail-send to a file beside the queue",
      `concurrencylocal ${deliveries}, concurrencyremote ${deliveries}, --connections ${servers.connections}, --backlog ${servers.backlog}`,
    ],
    async start(setup) {
      const system = new Ours(runDirectory(setup));
      await system.prepare(setup);
      if (setup.intakeOnly !== true) await system.deliver();
      await system.serve(setup.clients ?? servers.connections, processes);
      return system;
    },
  };
}
