/**
 * `npm run soak`: mail of all sorts at about half of what the machine can do, while processes are killed at random and
 * started again. Every message that was taken must come, once, unless a kill fell on its way; and memory, descriptors
 * and the queue must stay as small as they were.
 *
 *   npm run soak -- [--minutes 30] [--rate N] [--seed 1] [--kill-every 8] [--scratch DIR] [--out docs]
 *
 * Without a rate it is measured first. Kills stop after two thirds of the time, so that what grows is seen to grow in
 * processes that live. Writes soak.svg and soak.md into the directory of `--out`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { arch, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { recoverQueue, underWay } from "../crash/recover.ts";
import { Sink } from "../crash/sink.ts";
import { printTable } from "../crash/table.ts";
import { randomFrom } from "./kill.ts";
import { Books, wayOf } from "./soak-books.ts";
import { Readers, Senders } from "./soak-load.ts";
import { draw } from "./soak-picture.ts";
import { report } from "./soak-report.ts";
import { type Sample, System } from "./soak-system.ts";

export interface Plan {
  seconds: number;
  /** Messages a second; undefined: half of what there can be. */
  rate: number | undefined;
  seed: number;
  /** Seconds from one kill to the next, on average. */
  killEvery: number;
  /** Seconds from one sample to the next. */
  every: number;
  scratch: string;
}

/** A sample, and how fast it went since the one before: messages taken, copies delivered, a second. */
export interface Point extends Sample {
  taken: number;
  delivered: number;
}

export interface Result {
  plan: Plan;
  /** Messages a second: what there can be, where it was measured, and what was sent. */
  capacity: number | undefined;
  rate: number;
  points: Point[];
  /** Seconds of the kills, and how many each program had. */
  kills: number[];
  killed: Record<string, number>;
  starts: Record<string, number>;
  books: Books;
  /** Files that stay in the queue for ever. */
  left: string[];
  swept: number;
  sessions: { ended: number; broken: number };
}

/** Seconds: to find out the capacity; from one try again to the next; to work off what is left. */
const [trial, retry, patience] = [10, 15, 300];

/** The part of the time in which processes are killed. */
const killing = 2 / 3;

class Soak {
  readonly #plan: Plan;
  readonly #system: System;
  readonly #books: Books;
  readonly #senders: Senders;
  readonly #readers: Readers;
  readonly #points: Point[] = [];
  readonly #killed: Record<string, number> = {};
  #stopped = false;

  constructor(plan: Plan, system: System, books: Books) {
    this.#plan = plan;
    this.#system = system;
    this.#books = books;
    this.#senders = new Senders(system, books);
    this.#readers = new Readers(system, books);
  }

  async run(): Promise<Result> {
    const { seconds } = this.#plan;
    const readers = this.#every(0.5, () => this.#harvest(["joe", "bob"]));
    const visitor = this.#every(2, () => this.#readers.visit("ann"));
    const retrier = this.#every(retry, () => this.#system.retry());
    const capacity = this.#plan.rate === undefined ? await this.#measure() : undefined;
    const rate = this.#plan.rate ?? Math.max(1, Math.round((capacity ?? 2) / 2));
    const begin = Date.now();
    console.error(`soak: ${rate} messages a second for ${seconds} seconds`);
    const sampler = this.#sample(begin);
    const killer = this.#kill(begin + seconds * 1000 * killing);
    await this.#senders.send(rate, seconds);
    await killer;
    await this.#drain();
    this.#stopped = true;
    await Promise.all([readers, visitor, retrier, sampler]);
    await this.#system.stop();
    this.#harvest(["joe", "bob", "ann"]);
    const { left, swept } = await recoverQueue(this.#system.home);
    this.#harvest(["joe", "bob", "ann"]);
    return {
      ...{ plan: this.#plan, capacity, rate, points: this.#points, books: this.#books, left, swept },
      kills: this.#books.kills.map((kill) => (kill - begin) / 1000),
      killed: this.#killed,
      starts: this.#system.starts,
      sessions: { ended: this.#readers.sessions, broken: this.#readers.broken },
    };
  }

  /** As much as goes for a while; what there can be is that by the time in which all of it is delivered, too. */
  async #measure(): Promise<number> {
    const begin = Date.now();
    await this.#senders.send(1e6, trial);
    await this.#drain();
    return this.#books.promised / ((Date.now() - begin) / 1000);
  }

  async #drain(): Promise<void> {
    const end = Date.now() + patience * 1000;
    for (let round = 0; underWay(this.#system.home).length > 0 && Date.now() < end; round++) {
      if (round % 10 === 9) this.#system.retry();
      await Bun.sleep(100);
    }
  }

  #harvest(users: readonly string[]): void {
    for (const user of users) this.#readers.harvest(user);
  }

  async #every(seconds: number, work: () => void | Promise<void>): Promise<void> {
    while (!this.#stopped) {
      await Bun.sleep(seconds * 1000);
      await work();
    }
  }

  async #sample(begin: number): Promise<void> {
    let before = { time: 0, promised: this.#books.promised, arrived: this.#books.arrived };
    while (!this.#stopped) {
      await Bun.sleep(this.#plan.every * 1000);
      const time = (Date.now() - begin) / 1000;
      const { promised, arrived } = this.#books;
      const taken = (promised - before.promised) / (time - before.time);
      const delivered = (arrived - before.arrived) / (time - before.time);
      if (time <= this.#plan.seconds) this.#points.push({ ...this.#system.sample(time), taken, delivered });
      before = { time, promised, arrived };
    }
  }

  /** One process after the other, until then; now and then all that belong to the daemons at once. */
  async #kill(until: number): Promise<void> {
    const random = randomFrom(this.#plan.seed);
    for (;;) {
      await Bun.sleep((0.5 + random()) * this.#plan.killEvery * 1000);
      if (Date.now() >= until) return;
      const all = this.#system.processes();
      const daemons = all.filter(({ name }) => /^qmail-(send|[lr]spawn|clean|local)$/.test(name));
      // First which program, so that one of many processes of a sort is no likelier than the only one of another.
      const named = Map.groupBy(all, ({ name }) => name);
      const some = [...named.values()][Math.floor(random() * named.size)] ?? [];
      const one = some[Math.floor(random() * some.length)];
      const victims = random() < 0.1 ? daemons : one === undefined ? [] : [one];
      const signal = random() < 0.85 ? "SIGKILL" : "SIGTERM";
      for (const { pid, name } of victims)
        if (sent(pid, signal)) this.#killed[name] = (this.#killed[name] ?? 0) + 1;
      if (victims.length === 0) continue;
      this.#books.kill(Date.now());
      for (const { pid } of victims) void this.#awaitEnd(pid);
    }
  }

  /** Who gets TERM may have something to finish. */
  async #awaitEnd(pid: number): Promise<void> {
    while (sent(pid, 0)) {
      if (this.#stopped) return;
      await Bun.sleep(20);
    }
    this.#books.end(Date.now());
  }
}

/** Whether the process was still there. */
function sent(pid: number, signal: "SIGKILL" | "SIGTERM" | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Does it. */
export async function soak(plan: Plan): Promise<Result> {
  mkdirSync(plan.scratch, { recursive: true });
  const scratch = mkdtempSync(join(plan.scratch, "qmail-soak-"));
  const books = new Books();
  const deferred = new Set<string>();
  const answer = (recipient: string): string | undefined => {
    const way = wayOf(Number(/^n(\d+)@/.exec(recipient)?.[1]));
    if (way === "refused") return "550 no such mailbox";
    if (way !== "deferred" || deferred.has(recipient)) return undefined;
    deferred.add(recipient);
    return "451 come again";
  };
  using sink = await Sink.start(({ text }) => books.arrive("sink", text, Date.now(), "at the sink"), answer);
  const system = await System.start(scratch, sink.port, () => books.end(Date.now()));
  try {
    return await new Soak(plan, system, books).run();
  } finally {
    await system.home.remove();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "30" },
      rate: { type: "string" },
      seed: { type: "string", default: "1" },
      "kill-every": { type: "string", default: "8" },
      scratch: { type: "string", default: tmpdir() },
      out: { type: "string", default: join(import.meta.dir, "../../docs") },
    },
  });
  const seconds = Number(values.minutes) * 60;
  const result = await soak({
    seconds,
    rate: values.rate === undefined ? undefined : Number(values.rate),
    seed: Number(values.seed),
    killEvery: Number(values["kill-every"]),
    every: Math.max(1, Math.min(5, seconds / 60)),
    scratch: values.scratch,
  });
  const machine = `${cpus().length} processors (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()} ${arch()}`;
  const { text, picture, troubles } = report(result, machine, new Date());
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, "soak.svg"), draw(picture));
  writeFileSync(join(values.out, "soak.md"), text);
  printTable(`soak of ${seconds / 60} minutes, seed ${values.seed}`, result.books.lines());
  console.log(`kills ${result.kills.length}: ${JSON.stringify(result.killed)}`);
  for (const trouble of troubles) console.log(trouble);
  return troubles.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main();
