/**
 * A whole mail system in memory and in simulated time: the queue's files, spawners that answer after a while,
 * qmail-clean, and a queue program for bounces. Weeks pass in milliseconds.
 */

import { isSystemError } from "../../../src/core/exit.ts";
import { Routing } from "../../../src/core/mail/routing.ts";
import type { Channel } from "../../../src/programs/qmail-send/channel.ts";
import type {
  Injection,
  Notice,
  Output,
  QueueDisk,
  Records,
  Settings,
  Status,
} from "../../../src/programs/qmail-send/context.ts";
import { Manager } from "../../../src/programs/qmail-send/manager.ts";

const split = 23n;
const splitDirectories = new Set(["mess", "info", "local", "remote"]);

interface File {
  /** Which of all files that ever were. */
  serial: number;
  text: string;
  modified: number;
  accessed: number;
}

/** A failed system call, as node:fs throws it. */
export function failure(code: string): Error {
  return Object.assign(new Error(code), { code, errno: -1 });
}

/** The queue's files. `fails` may throw for a call on a path. */
export class MemoryDisk implements QueueDisk {
  readonly files = new Map<string, File>();
  now: () => number = () => 0;
  fails: (call: string, path: string) => void = () => {};
  barriers = 0;
  #serial = 0;

  path(directory: string, id: bigint): string {
    return splitDirectories.has(directory) ? `${directory}/${id % split}/${id}` : `${directory}/${id}`;
  }

  folders(directory: string): number {
    return splitDirectories.has(directory) ? Number(split) : 0;
  }

  list(directory: string, folder?: number): bigint[] {
    const prefix = folder === undefined ? `${directory}/` : `${directory}/${folder}/`;
    this.fails("list", prefix.slice(0, -1));
    const names = [...this.files.keys()].filter((path) => path.startsWith(prefix));
    return names.map((path) => BigInt(path.slice(prefix.length)));
  }

  status(path: string): Status | undefined {
    this.fails("status", path);
    const file = this.files.get(path);
    return file && { size: file.text.length, modified: file.modified, accessed: file.accessed };
  }

  remove(path: string): void {
    this.fails("remove", path);
    this.#found(path);
    this.files.delete(path);
  }

  touch(path: string, seconds: number): void {
    this.fails("touch", path);
    Object.assign(this.#found(path), { modified: seconds, accessed: seconds });
  }

  open(path: string): Records {
    this.fails("open", path);
    const file = this.#found(path);
    let offset = 0;
    return {
      next: () => {
        this.fails("read", path);
        const end = file.text.indexOf("\0", offset);
        if (end < 0) return undefined;
        const record = file.text.slice(offset, end);
        offset = end + 1;
        return record;
      },
      close: () => {},
    };
  }

  create(path: string): Output {
    this.fails("create", path);
    if (this.files.has(path)) throw failure("EEXIST");
    const file = this.put(path, "");
    return {
      write: (text) => {
        this.fails("write", path);
        file.text += text;
      },
      close: () => {},
    };
  }

  names(directory: string): string[] {
    this.fails("names", directory);
    const names = [...this.files.keys()].filter((path) => path.startsWith(`${directory}/`));
    return names.map((path) => path.slice(directory.length + 1)).sort();
  }

  identity(id: bigint): string | undefined {
    return this.files.get(this.path("mess", id))?.serial.toString();
  }

  rename(from: string, to: string): void {
    this.fails("rename", from);
    const file = this.#found(from);
    this.files.delete(from);
    this.files.set(to, file);
  }

  replace(path: string, text: string): void {
    this.fails("replace", path);
    this.put(path, text);
  }

  finish(path: string, offset: number, text: string): void {
    this.fails("finish", path);
    const file = this.#found(path);
    file.text = file.text.slice(0, offset) + text;
  }

  settle(directories: readonly string[]): void {
    for (const path of directories) this.fails("settle", path);
  }

  barrier(paths: readonly string[]): void {
    for (const path of paths) this.fails("barrier", path);
    this.barriers++;
  }

  mark(path: string, offset: number): void {
    this.fails("mark", path);
    const file = this.#found(path);
    file.text = `${file.text.slice(0, offset)}D${file.text.slice(offset + 1)}`;
  }

  append(path: string, text: string): void {
    this.fails("append", path);
    const file = this.files.get(path) ?? this.put(path, "");
    file.text += text;
  }

  put(path: string, text: string, time = this.now()): File {
    const file = { serial: ++this.#serial, text, modified: time, accessed: time };
    this.files.set(path, file);
    return file;
  }

  #found(path: string): File {
    const file = this.files.get(path);
    if (file === undefined) throw failure("ENOENT");
    return file;
  }
}

/** An attempt to deliver: when it began, to whom, and how it went. */
export interface Attempt {
  at: number;
  channel: Channel;
  id: bigint;
  sender: string;
  recipient: string;
  report: string;
}

/** How the world behaves; all have quiet defaults. */
export interface Behaviour {
  settings?: Partial<Settings>;
  /** What a spawner reports, and after how many seconds. */
  deliver?: (attempt: Omit<Attempt, "report">) => { report: string; after: number };
  /** Seconds until qmail-clean answers. */
  cleanAfter?: () => number;
  /** How the queue program takes a bounce, and after how many seconds. */
  injectAfter?: () => { result: Injection["result"]; after: number };
  virtualDomains?: string[];
}

/** The system. Time only passes in run(). */
export class World {
  readonly disk = new MemoryDisk();
  readonly attempts: Attempt[] = [];
  readonly notices: { notice: Notice; failures: string }[] = [];
  /** What qmail-clean was asked for. */
  readonly cleaned: string[] = [];
  /** qmail-clean cannot remove anything. */
  refuses = false;
  log = "";
  /** May be set. */
  now = 1_000_000_000;
  /** How much time has passed. */
  #uptime = 0;
  /** The most deliveries that were under way at once, per channel. */
  readonly peak: [number, number] = [0, 0];
  /** Calls of Manager.work(). */
  turns = 0;
  readonly settings: Settings;
  manager: Manager;
  readonly #behaviour: Behaviour;
  readonly #under: [number, number] = [0, 0];
  #events: { at: number; order: number; happen: () => void }[] = [];
  #order = 0;
  #nextId = 100n;
  /** What qmail-clean has to do: in the order of the requests, however long each takes. */
  #cleaning: (() => void)[] = [];

  constructor(behaviour: Behaviour = {}) {
    this.#behaviour = behaviour;
    this.settings = {
      lifetime: 604800,
      concurrency: [10, 20],
      slotWidth: 1,
      bounces: { from: "MAILER-DAEMON", host: "here.example", postmaster: "postmaster@here.example" },
      ...behaviour.settings,
    };
    this.disk.now = () => this.now;
    this.manager = this.start();
  }

  /** Puts a message into the queue, as qmail-queue does, and pulls the trigger. */
  submit(sender: string, recipients: readonly string[]): bigint {
    const id = this.#nextId++;
    this.disk.put(this.disk.path("mess", id), `Subject: ${id}\n\n`);
    const envelope = `u1\0p2\0F${sender}\0${recipients.map((recipient) => `T${recipient}\0`).join("")}`;
    this.disk.put(`intd/${id}`, envelope);
    this.disk.put(`todo/${id}`, envelope);
    this.manager.triggered();
    return id;
  }

  /** A new qmail-send on the same disk; whatever the old one had in mind is lost. */
  start(): Manager {
    this.#events = [];
    this.#cleaning = [];
    this.#under.fill(0);
    const routing = new Routing({
      locals: ["here.example"],
      percentHack: [],
      virtualDomains: this.#behaviour.virtualDomains ?? [],
      envNoAtHost: "here.example",
    });
    const spawner = (channel: Channel) => ({
      ready: () => true,
      send: (command: string) => this.#deliver(channel, Buffer.from(command, "latin1")),
    });
    const outside = {
      disk: this.disk,
      log: (text: string) => {
        this.log += text;
      },
      spawners: [spawner(0), spawner(1)] as const,
      askCleaner: (request: string) => this.#clean(request),
      uptime: () => this.#uptime,
      inject: (notice: Notice, done: (injection: Injection, now: number) => void) =>
        this.#inject(notice, done),
    };
    this.manager = new Manager(outside, this.settings, routing, this.now);
    // A call that failed is made again after a while; no time has to pass for that here.
    while (!this.manager.enroll(this.now));
    return this.manager;
  }

  /** Lets time pass until then, or until the manager ended. True: it ended. */
  run(until: number): boolean {
    for (;;) {
      while (this.manager.work(this.now)) this.turns++;
      this.turns++;
      if (this.manager.finished()) {
        this.manager.finish();
        return true;
      }
      const next = Math.min(this.#events[0]?.at ?? Number.POSITIVE_INFINITY, this.manager.wakeAt());
      if (next > until) {
        this.#pass(until);
        return false;
      }
      this.#pass(Math.max(this.now, next));
      for (let event = this.#events[0]; event && event.at <= this.now; event = this.#events[0]) {
        this.#events.shift();
        event.happen();
      }
    }
  }

  #pass(until: number): void {
    this.#uptime += until - this.now;
    this.now = until;
  }

  /** Lets something happen later, unless qmail-send is started again before. */
  after(delay: number, happen: () => void): void {
    this.#events.push({ at: this.now + delay, order: this.#order++, happen });
    this.#events.sort((left, right) => left.at - right.at || left.order - right.order);
  }

  /** Files left in the queue. */
  left(): string[] {
    return [...this.disk.files.keys()].sort();
  }

  #deliver(channel: Channel, command: Buffer): void {
    const [path = "", sender = "", recipient = ""] = command.toString("latin1", 1).split("\0");
    const attempt = { at: this.now, channel, id: BigInt(path.replace(/.*\//, "")), sender, recipient };
    const { report, after } = this.#behaviour.deliver?.(attempt) ?? { report: "Kok\n", after: 1 };
    this.attempts.push({ ...attempt, report });
    this.#under[channel]++;
    this.peak[channel] = Math.max(this.peak[channel], this.#under[channel]);
    const answer = Buffer.concat([command.subarray(0, 1), Buffer.from(`${report}\0`, "latin1")]);
    this.after(after, () => {
      this.#under[channel]--;
      this.manager.reported(channel, answer, this.now);
    });
  }

  #clean(request: string): void {
    this.cleaned.push(request);
    const id = BigInt(request.slice(5));
    const last = request.startsWith("foop") ? this.disk.path("mess", id) : `todo/${id}`;
    this.#cleaning.push(() => {
      const done = !this.refuses && [`intd/${id}`, last].every((path) => this.#unlink(path));
      this.manager.cleanerAnswered(Buffer.from(done ? "+" : "!"), this.now);
    });
    this.after(this.#behaviour.cleanAfter?.() ?? 0, () => this.#cleaning.shift()?.());
  }

  #unlink(path: string): boolean {
    try {
      this.disk.fails("clean", path);
    } catch (cause) {
      if (!isSystemError(cause)) throw cause;
      return false;
    }
    this.disk.files.delete(path);
    return true;
  }

  #inject(notice: Notice, done: (injection: Injection, now: number) => void): void {
    const { result, after } = this.#behaviour.injectAfter?.() ?? { result: "queued", after: 1 };
    this.after(after, () => {
      if (result === "queued") {
        this.notices.push({ notice, failures: this.disk.files.get(notice.failures)?.text ?? "" });
        this.submit(notice.sender, [notice.recipient]);
        done({ result, pid: 77 }, this.now);
      } else {
        done({ result }, this.now);
      }
    });
  }
}
