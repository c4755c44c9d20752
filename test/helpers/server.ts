/** A server that stays, over a real queue of its own, and what the system says about its process. */
import { readdirSync, readFileSync, symlinkSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { bin, run, Scratch } from "./built.ts";
import { openFiles } from "./home.ts";
import { layOutQueue } from "./layout.ts";
import { patience } from "./patience.ts";
import { separateQueueProgram } from "./queue-program.ts";

/** How to start a server. */
export interface Start {
  program?: string;
  /** Default: any port of 127.0.0.1. */
  listen?: readonly string[];
  options?: readonly string[];
  /** What follows the options. */
  words?: readonly string[];
  /** Words before the program; the last of them executes it. */
  through?: readonly string[];
  env?: Readonly<Record<string, string>>;
}

/** A message in the queue. */
export interface Queued {
  /** What qmail-queue was given, one character a byte. */
  text: string;
  /** Behind the numbers: `F`sender, `T`recipient, one a string. */
  envelope: string[];
}

/** What qmail-queue puts before every message. */
const ownField = /^Received: \(qmail \d+ .*\); .*\n/;

/** A home with an empty queue and the built programs. Mail for test.example and localhost is taken. */
export class ServerHome extends Scratch {
  /** `separate`: its queue program is a file of its own, which servers have to start. */
  constructor(under?: string, separate = false) {
    super(under);
    layOutQueue(this.in("queue"), false);
    if (separate) separateQueueProgram(join(dirname(this.write("bin/nothing", "")), "qmail-queue"));
    else symlinkSync(bin, this.in("bin"));
    this.write("control/me", "test.example\n");
    this.write("control/rcpthosts", "test.example\nlocalhost\n");
  }

  /** Compiles rules with tcprules; returns the option that has the server use them. */
  async rules(text: string): Promise<string[]> {
    const file = this.in("rules.cdb");
    const { code, stderr } = await run("tcprules", {
      args: [file, this.in("rules.tmp")],
      stdin: Buffer.from(text),
    });
    if (code !== 0) throw new Error(stderr);
    return ["--rules", file];
  }

  /** Every message in the queue, in the order of arrival. Throws if one is there in part. */
  queued(): Queued[] {
    const messages = new Map(this.#files("mess").map((path) => [Number(path.split("/").pop()), path]));
    const ids = readdirSync(this.in("queue/todo")).map(Number);
    if (messages.size !== ids.length || readdirSync(this.in("queue/intd")).length !== ids.length)
      throw new Error(`a part of a message: mess ${[...messages.keys()]}, todo ${ids}`);
    return ids
      .map((id) => ({
        text: readFileSync(messages.get(id) ?? "", "latin1").replace(ownField, ""),
        envelope: this.read(`queue/intd/${id}`).split("\0").slice(2, -1),
      }))
      .sort((one, other) => one.text.localeCompare(other.text));
  }

  /** Forgets what is queued. */
  empty(): void {
    for (const part of ["mess", "todo", "intd"]) for (const path of this.#files(part)) unlinkSync(path);
  }

  #files(part: string): string[] {
    return readdirSync(this.in("queue", part), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  }
}

/** A running server. `await using` ends it, whatever it does. */
export class Resident {
  readonly child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  /** The ports it listens on, in the order of its addresses. */
  ports: number[] = [];
  /** What it wrote to descriptor 2. */
  log = "";

  private constructor(home: { path: string }, how: Start) {
    const { program = "qmail-smtpd", listen = ["127.0.0.1:0"], options = [], words = [], through = [] } = how;
    const addresses = listen.flatMap((address) => ["--listen", address]);
    this.child = Bun.spawn([...through, join(bin, program), ...addresses, ...options, ...words], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: `${bin}:/usr/bin:/bin`, QMAILHOME: home.path, ...how.env },
    });
  }

  /** Starts it and waits until it listens on every address. */
  static async start(home: { path: string }, how: Start = {}): Promise<Resident> {
    const server = new Resident(home, how);
    const wanted = how.listen?.length ?? 1;
    const reading = server.#read();
    await until(
      "the server listens",
      () => server.#lines().length >= wanted || server.child.exitCode !== null,
    );
    if (server.#lines().length < wanted) {
      await reading;
      throw new Error(`it ended: ${server.child.exitCode}, ${server.log}`);
    }
    server.ports = server.#lines().map(Number);
    return server;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** The port of its first address. */
  get port(): number {
    return this.ports[0] ?? 0;
  }

  /** How many descriptors it has open, without those of event loops: each thread has some, and may come late. */
  get descriptors(): number {
    return openFiles(this.pid).filter((file) => !file.startsWith("anon_inode:[event")).length;
  }

  /** Whether anybody listens on its first port. */
  get listens(): boolean {
    const hexadecimal = this.port.toString(16).toUpperCase().padStart(4, "0");
    const listening = new RegExp(`^ *\\d+: [0-9A-F]+:${hexadecimal} [0-9A-F:]+ 0A `, "m");
    return ["tcp", "tcp6"].some((table) => listening.test(readFileSync(`/proc/net/${table}`, "latin1")));
  }

  /** Its children, dead ones too, each as its state and its name. */
  children(): string[] {
    return childrenOf(this.pid).map(([, state, name]) => `${state} ${name}`);
  }

  /** The numbers of those that live. */
  childPids(): number[] {
    return childrenOf(this.pid)
      .filter(([, state]) => state !== "Z")
      .map(([pid]) => pid);
  }

  /** Memory that is its own, and its part of what it shares, in kB. */
  get memory(): number {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/smaps_rollup`, "latin1"))?.[1]);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** TERM, and waits; returns the exit code. */
  async stop(): Promise<number> {
    this.signal("SIGTERM");
    return await this.child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }

  #lines(): string[] {
    return [...this.log.matchAll(/^\S+: status: listening on \S+:(\d+)\n/gm)].map(([, port]) => port ?? "");
  }

  async #read(): Promise<void> {
    for await (const bytes of this.child.stderr) this.log += Buffer.from(bytes).toString("latin1");
  }
}

/** Process number, state and name of the children of a process. */
export function childrenOf(pid: number): [number, string, string][] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const [, command, state, parent] = /^\d+ \((.*)\) (\S) (\d+) /s.exec(statOf(name)) ?? [];
      return Number(parent) === pid ? [[Number(name), state ?? "", command ?? ""] as const] : [];
    })
    .map((child) => [...child]);
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return ""; // It has ended.
  }
}

/** Waits until it is so; throws with the words if it never becomes so. */
export async function until(words: string, isSo: () => boolean, seconds = patience): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !isSo(); await Bun.sleep(5))
    if (Date.now() > end) throw new Error(`waited in vain: ${words}`);
}
