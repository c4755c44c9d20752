/** What a workload gets, and how it measures a system. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tools } from "./clients/source.ts";
import { clear, scratch } from "./ground.ts";
import { tracerOf } from "./group.ts";
import type { Peer, Setup, System } from "./peers/peer.ts";
import { until, warm } from "./peers/peer.ts";
import { callsByProgram, deviceFlushes, tracedCalls } from "./pure/counters.ts";
import type { Figure } from "./pure/table.ts";

/** Figures of one round, by key. */
export type Figures = Record<string, number>;

/** What there is for all workloads. */
export interface Bench {
  tools: Tools;
  /** Small counts. */
  quick: boolean;
  /** Of the ext4 image. */
  device: string;
  /** Messages of the queue that grows. */
  queueSize: number;
  /** Beside the figures: system calls by program. */
  calls: boolean;
  /** A line of the results. */
  say: (line: string) => void;
  /** A line for who looks on. */
  show: (line: string) => void;
}

/** A row of the suite. */
export interface Workload {
  name: string;
  /** One sentence: what is sent where. */
  about: string;
  figures: readonly Figure[];
  /** Default: as many as the command line says. */
  rounds?: number;
  /** In the run of --must: on which systems, and whether look() is needed there. */
  must?: { peers: readonly string[]; look?: boolean };
  /** One round on one system, in figures. */
  round(peer: Peer, bench: Bench): Promise<Figures>;
  /** Once a system, apart from the rounds: what cannot be looked at without disturbing. */
  look?(peer: Peer, bench: Bench): Promise<Figures>;
}

/** Starts a system, lets `work` have it, and stops and removes it, whatever happens. */
export async function withSystem<Result>(
  peer: Peer,
  setup: Setup,
  work: (system: System) => Promise<Result>,
): Promise<Result> {
  const system = await peer.start(setup);
  try {
    return await work(system);
  } catch (failure) {
    for (const line of logTails(system.directory)) console.error(line);
    throw failure;
  } finally {
    await system.stop();
    clear(setup.kind);
  }
}

/** The last lines of the logs in a directory: why it failed. */
export function logTails(directory: string): string[] {
  const logs = ["log", "smtpd.log", "maillog"].map((name) => join(directory, name)).filter(existsSync);
  return logs.flatMap((log) => readFileSync(log, "latin1").trimEnd().split("\n").slice(-8));
}

/**
 * Sends messages to another mailbox: a few, so that every process that will be needed is there, or so many that servers
 * are what they are after a minute of work.
 */
export async function warmUp(
  system: System,
  { tools }: Bench,
  sessions: number,
  messages = Math.max(10, 2 * sessions),
): Promise<void> {
  await tools.send({ port: system.smtpPort, sessions, messages, size: 500, to: `${warm}@test.example` });
  await reaches("messages for warming up", messages, () => system.count(warm));
  await system.group.rest();
}

/** What counters say between begin and end. */
export class Meter {
  readonly #system: System;
  readonly #device: string;
  readonly #processor: { user: number; system: number };
  readonly #flushes: number;

  constructor(system: System, { device }: Bench) {
    this.#system = system;
    this.#device = device;
    this.#processor = system.group.processor();
    this.#flushes = flushes(device);
  }

  /** Processor time and flushes of the device, for each of `messages`. */
  end(messages: number): Figures {
    const { user, system } = this.#system.group.processor();
    const used = { user: user - this.#processor.user, system: system - this.#processor.system };
    return {
      processor: ((used.user + used.system) * 1000) / messages,
      processorSystem: (used.system * 1000) / messages,
      flushes: (flushes(this.#device) - this.#flushes) / messages,
    };
  }
}

const flushes = (device: string): number =>
  deviceFlushes(readFileSync("/proc/diskstats", "utf8"), device) ?? Number.NaN;

/** Waits for a count, looking less often as long as much is missing. Throws when it stands still, or goes beyond. */
export async function reaches(
  words: string,
  wanted: number,
  count: () => number,
  patience = 60,
): Promise<void> {
  const start = Date.now();
  let [last, changed] = [-1, start];
  for (;;) {
    const now = count();
    if (now > wanted) throw new Error(`bench: ${words}: ${now} instead of ${wanted}`);
    if (now === wanted) return;
    if (now !== last) [last, changed] = [now, Date.now()];
    else if (Date.now() - changed > patience * 1000)
      throw new Error(`bench: ${words}: only ${now} of ${wanted} arrived, and no more for ${patience} s`);
    const left = now > 0 ? ((Date.now() - start) / now) * (wanted - now) : 20;
    await Bun.sleep(Math.min(300, Math.max(10, left / 3)));
  }
}

const flushCalls = ["fsync", "fdatasync", "syncfs", "sync", "msync"];

/** What strace writes about all processes of a running system, and their children, while `work` goes on. */
export async function traced(
  system: System,
  words: readonly string[],
  work: () => Promise<void>,
): Promise<string> {
  const file = join(scratch, "trace");
  const attach = system.group.processes().flatMap((process) => ["-p", String(process)]);
  const strace = Bun.spawn(["strace", "-f", "-q", "-o", file, ...words, ...attach], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await until("strace is attached", () => traces(system, strace.pid));
  await work();
  strace.kill("SIGINT");
  const [said] = await Promise.all([strace.stderr.text(), strace.exited]);
  if (!existsSync(file)) throw new Error(`bench: strace wrote nothing: ${said}`);
  return readFileSync(file, "latin1");
}

/** Whether a tracer has all tasks of a system. */
function traces(system: System, tracer: number): boolean {
  return [...system.group.tasks().keys()].every((task) => tracerOf(task) === tracer);
}

/** How often something was made durable: fsync and its like. */
export async function tracedFlushes(system: System, work: () => Promise<void>): Promise<number> {
  const table = await traced(system, ["-c", "-e", `trace=${flushCalls.join(",")}`], work);
  return [...tracedCalls(table).values()].reduce((sum, calls) => sum + calls, 0);
}

/** System calls by program, the most first, for each of `messages`. */
export async function tracedPrograms(
  system: System,
  messages: number,
  work: () => Promise<void>,
): Promise<string[]> {
  const before = system.group.tasks();
  let after = before;
  const trace = await traced(system, [], async () => {
    await work();
    after = system.group.tasks();
  });
  return callLines(callsByProgram(trace, new Map([...before, ...after])), messages);
}

function callLines(programs: ReadonlyMap<string, ReadonlyMap<string, number>>, messages: number): string[] {
  const total = (calls: ReadonlyMap<string, number>) => [...calls.values()].reduce((sum, n) => sum + n, 0);
  const each = (count: number) => (count / messages).toFixed(2);
  return [...programs]
    .sort(([, a], [, b]) => total(b) - total(a))
    .map(([name, calls]) => {
      const most = [...calls].sort(([, a], [, b]) => b - a).slice(0, 14);
      return `  ${name} ${each(total(calls))}: ${most.map(([call, n]) => `${call} ${each(n)}`).join(", ")}`;
    });
}
