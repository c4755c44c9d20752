/**
 * Cases of kind `send`: qmail-send with its log, and with partners that the harness plays: both spawners and the
 * cleaner, on descriptors 0 to 6.
 */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { isSystemError } from "../../src/core/exit.ts";
import { pipe } from "../../src/core/sys/libc.ts";
import { split } from "../helpers/layout.ts";
import { captured } from "./capture.ts";
import type { Observed } from "./compare.ts";
import { type Action, bytesOf, type Case, type Channel, type Command } from "./format.ts";
import { environmentOf } from "./kind-run.ts";
import { launch, nonBlocking, type Running, writeSome } from "./program.ts";
import { enqueue, queueFiles } from "./queue.ts";
import { userOf, type World } from "./world.ts";

/** Milliseconds without any event, and with the manager asleep, that count as a pause. */
const quiet = 150;
/** A pause ends at the latest after this many milliseconds. */
const longest = 10_000;
const poll = 4;
/** Seconds to end in, after the last TERM. */
const patience = 5;

/** Runs the case in a world that was prepared for it. */
export async function sendCase(test: Case, world: World, words: Record<string, string>): Promise<Observed> {
  const manager = new Manager(test, world, words);
  await manager.pause();
  for (const action of test.before_replies ?? []) await manager.act(action);
  await manager.serve();
  for (const action of test.after_idle ?? []) {
    await manager.act(action);
    await manager.serve();
  }
  const exit = await manager.end();
  return {
    exit,
    log: manager.log,
    commands: [...manager.commands.local, ...manager.commands.remote],
    clean: manager.requests,
    queued: test.qq === undefined ? [] : captured(world.scratch),
    queue: queueFiles(join(world.qmail, "queue")),
  };
}

/** A pipe of which qmail-send has one end and we the other, non-blocking. */
function ours(direction: "read" | "write"): { mine: number; its: number } {
  const [reader, writer] = pipe();
  const ends = direction === "read" ? { mine: reader, its: writer } : { mine: writer, its: reader };
  nonBlocking(ends.mine);
  return ends;
}

class Manager {
  log = "";
  readonly requests: string[] = [];
  readonly commands: Record<Channel, Command[]> = { local: [], remote: [] };
  readonly #test: Case;
  readonly #world: World;
  readonly #queue: string;
  readonly #child: Running;
  readonly #open = new Map<string, number>();
  readonly #unread: Record<string, string> = { local: "", remote: "", clean: "" };
  readonly #pending: Command[] = [];
  readonly #uses: number[];

  constructor(test: Case, world: World, words: Record<string, string>) {
    this.#test = test;
    this.#world = world;
    this.#queue = join(world.qmail, "queue");
    this.#uses = (test.replies ?? []).map((rule) => rule.times ?? Number.POSITIVE_INFINITY);
    for (const message of test.queue_messages ?? []) enqueue(this.#queue, message, world.switches);
    const ends = {
      log: ours("read"),
      local: ours("read"),
      "local reports": ours("write"),
      remote: ours("read"),
      "remote reports": ours("write"),
      clean: ours("read"),
      "clean answers": ours("write"),
    };
    for (const [name, end] of Object.entries(ends)) this.#open.set(name, end.mine);
    const [local, remote] = test.spawn_limits ?? [120, 120];
    this.#write("local reports", String.fromCharCode(local));
    this.#write("remote reports", String.fromCharCode(remote));
    this.#child = launch({
      file: join(world.qmail, "bin", test.program),
      argv0: test.argv0 ?? test.program,
      argv: (test.argv ?? []).map((word) => world.fill(bytesOf(word), words)),
      environment: environmentOf(test, world, words),
      directory: world.home,
      descriptors: Object.values(ends).map((end) => end.its),
      closed: [],
      umask: 0o22,
      ...(world.switches ? { ids: userOf("qmails") } : {}),
    });
    for (const end of Object.values(ends)) closeSync(end.its);
  }

  /** Waits until nothing has happened for a while. */
  async pause(): Promise<void> {
    const start = Date.now();
    let lastEvent = start;
    let used = this.#processorTime();
    while (Date.now() - start < longest && this.#child.exit() === undefined) {
      await Bun.sleep(poll);
      if (this.#collect()) lastEvent = Date.now();
      if (Date.now() - lastEvent < quiet) continue;
      const before = used;
      used = this.#processorTime();
      if (used === before && !this.#busy()) break;
      lastEvent = Date.now();
    }
    this.#collect();
  }

  /** Replies to every delivery, also to those that begin meanwhile. */
  async serve(): Promise<void> {
    for (let next = this.#takePending(); next !== undefined; next = this.#takePending()) {
      this.#write(`${next.channel} reports`, `${String.fromCharCode(next.delnum)}${this.#replyTo(next)}\0`);
      await this.pause();
    }
  }

  async act(action: Action): Promise<void> {
    if (action[0] === "signal") this.#child.kill(action[1]);
    else if (action[0] === "write") this.#write(`${action[1]} reports`, bytesOf(action[2]));
    else if (action[0] === "control")
      writeFileSync(join(this.#world.qmail, "control", action[1]), Buffer.from(bytesOf(action[2]), "latin1"));
    else if (action[0] === "close") {
      for (const name of [action[1], `${action[1]} reports`, `${action[1]} answers`]) this.#close(name);
    } else {
      enqueue(this.#queue, action[1], this.#world.switches);
      const trigger = openSync(join(this.#queue, "lock/trigger"), constants.O_WRONLY | constants.O_NONBLOCK);
      writeSync(trigger, "\0");
      closeSync(trigger);
    }
    await this.pause();
  }

  /** The TERM signal, and what came of it. */
  async end(): Promise<number | string> {
    if (this.#child.exit() === undefined) this.#child.kill("SIGTERM");
    for (let left = (patience * 1000) / poll; left > 0 && this.#child.exit() === undefined; left--) {
      await Bun.sleep(poll);
      this.#collect();
    }
    const exit = await this.#child.ended(0.01);
    this.#collect();
    for (const name of [...this.#open.keys()]) this.#close(name);
    return exit;
  }

  #takePending(): Command | undefined {
    if (this.#child.exit() !== undefined) return undefined;
    const local = this.#pending.findIndex((command) => command.channel === "local");
    return this.#pending.splice(Math.max(local, 0), 1)[0];
  }

  #replyTo(command: Command): string {
    for (const [index, rule] of (this.#test.replies ?? []).entries()) {
      const agrees =
        (rule.channel ?? command.channel) === command.channel &&
        (rule.recip === undefined || bytesOf(rule.recip) === command.recip);
      const left = this.#uses[index] ?? 0;
      if (!agrees || left === 0) continue;
      this.#uses[index] = left - 1;
      return bytesOf(rule.reply);
    }
    return "Kok\n";
  }

  /** Reads what qmail-send wrote; whether there was anything. */
  #collect(): boolean {
    const log = this.#read("log");
    this.log += log;
    let any = log !== "";
    for (const channel of ["local", "remote"] as const) any = this.#collectCommands(channel) || any;
    return this.#collectRequests() || any;
  }

  #collectCommands(channel: Channel): boolean {
    const text = this.#read(channel);
    this.#unread[channel] += text;
    for (;;) {
      const found = /^(.)([^\0]*)\0([^\0]*)\0([^\0]*)\0/s.exec(this.#unread[channel] ?? "");
      if (found === null) return text !== "";
      const [whole, number = "", name = "", sender = "", recip = ""] = found;
      this.#unread[channel] = (this.#unread[channel] ?? "").slice(whole.length);
      const command = { channel, delnum: number.charCodeAt(0), split_ok: isSplitName(name), sender, recip };
      this.commands[channel].push(command);
      this.#pending.push(command);
    }
  }

  #collectRequests(): boolean {
    const text = this.#read("clean");
    const requests = ((this.#unread.clean ?? "") + text).split("\0");
    this.#unread.clean = requests.pop() ?? "";
    for (const request of requests) {
      this.requests.push(request);
      this.#clean(request);
      this.#write("clean answers", bytesOf(this.#test.clean_reply ?? "+"));
    }
    return text !== "";
  }

  /** The cleaner's work. */
  #clean(request: string): void {
    const [verb, id = ""] = request.split("/");
    const mess = `mess/${Number(id) % split}/${id}`;
    for (const path of verb === "foop" ? [mess, `intd/${id}`] : [`intd/${id}`, `todo/${id}`])
      try {
        unlinkSync(join(this.#queue, path));
      } catch (failure) {
        if (!isSystemError(failure, "ENOENT")) throw failure;
      }
  }

  #read(name: string): string {
    const fd = this.#open.get(name);
    if (fd === undefined) return "";
    const buffer = Buffer.alloc(65536);
    let text = "";
    for (;;) {
      try {
        const length = readSync(fd, buffer);
        if (length === 0) return text;
        text += buffer.toString("latin1", 0, length);
      } catch (failure) {
        if (isSystemError(failure, "EAGAIN")) return text;
        throw failure;
      }
    }
  }

  #write(name: string, text: string): void {
    const fd = this.#open.get(name);
    if (fd !== undefined) writeSome(fd, Buffer.from(text, "latin1"));
  }

  #close(name: string): void {
    const fd = this.#open.get(name);
    if (fd !== undefined) closeSync(fd);
    this.#open.delete(name);
  }

  /** Ticks of the processor that qmail-send has used, so that a slow machine is not taken for silence. */
  #processorTime(): number {
    const [user = 0, system = 0] = fieldsOf(this.#proc("stat")).slice(11, 13).map(Number);
    return user + system;
  }

  /** Whether a thread of qmail-send is at work or waits for the disk, or a child of it is alive. */
  #busy(): boolean {
    const { pid } = this.#child;
    const threads = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : [];
    const states = threads.map((thread) => fieldsOf(this.#proc(`task/${thread}/stat`))[0] ?? "X");
    return states.some((state) => "RD".includes(state)) || this.#proc(`task/${pid}/children`).trim() !== "";
  }

  /** A file that the system shows of the process; empty once it is gone. */
  #proc(name: string): string {
    try {
      return readFileSync(`/proc/${this.#child.pid}/${name}`, "latin1");
    } catch (failure) {
      if (isSystemError(failure)) return "";
      throw failure;
    }
  }
}

/** The fields of a stat file behind the name, which is in parentheses: the state is the first. */
const fieldsOf = (stat: string): string[] => stat.slice(stat.lastIndexOf(")") + 2).split(" ");

/** Whether the name of a message has the form N%23/N. */
function isSplitName(name: string): boolean {
  const [part, id] = name.split("/");
  return id !== undefined && part === String(Number(id) % split);
}
