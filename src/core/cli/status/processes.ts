/**
 * The processes of a mail system, found in proc(5): its daemons work in the queue of their home, whoever's programs
 * they are, and what they started are their descendants.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { isSystemError } from "../../exit.ts";

/** A process. */
export interface Process {
  pid: number;
  parent: number;
  /** The program: qmail-send, qmail-remote, sh. */
  name: string;
  arguments: readonly string[];
  /** Unix time of its start, in seconds. */
  started: number;
  /** Memory of its own in bytes: what it shares with others, above all the program itself, does not count. */
  memory: number;
}

const daemons: ReadonlySet<string> = new Set(["qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"]);

/** Of our own programs run from source, argument 0 is the runtime and one of the next is the name. */
const interpreterArguments = 3;

/** Clock ticks a second in proc(5); the same on every Linux that Bun runs on. */
const ticks = 100;
const pageSize = 4096;

/** Sees what of a process belongs to somebody else: then it is not ours to judge. */
function reading<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (failure) {
    if (isSystemError(failure)) return undefined;
    throw failure;
  }
}

/** The daemons of a home and everything that descends from its spawners, by number. */
export function processesOf(home: string): Process[] {
  const queue = reading(() => realpathSync(`${home}/queue`));
  if (queue === undefined) return [];
  const boot = bootTime();
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => reading(() => processAt(Number(name), boot)) ?? []);
  const found = new Map<number, Process>();
  for (const process of all)
    if (daemons.has(process.name) && worksIn(process.pid, queue)) found.set(process.pid, process);
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const process of all) if (found.has(process.parent)) found.set(process.pid, process);
  }
  return [...found.values()].sort((a, b) => a.pid - b.pid);
}

function worksIn(pid: number, queue: string): boolean {
  const directory = reading(() => readlinkSync(`/proc/${pid}/cwd`));
  return directory === queue || directory === `${queue}/mess`;
}

function bootTime(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1] ?? 0);
}

/** statm: size, resident and shared pages. */
function ownPages(pid: number): number {
  const [, resident, shared] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ").map(Number);
  return Math.max(0, (resident ?? 0) - (shared ?? 0));
}

function processAt(pid: number, boot: number): Process | undefined {
  const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").slice(0, -1);
  if (words.length === 0) return undefined;
  const status = readFileSync(`/proc/${pid}/stat`, "latin1");
  // pid (name) state parent ...: what follows the name, which may hold anything.
  const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
  const number = (index: number): number => Number(fields[index - 3] ?? 0);
  if (fields[0] === "Z") return undefined;
  const names = words.map((word) => word.slice(word.lastIndexOf("/") + 1));
  const place = Math.max(
    0,
    names.slice(0, interpreterArguments).findIndex((name) => /^qmail-/.test(name)),
  );
  return {
    pid,
    parent: number(4),
    name: names[place] ?? "",
    arguments: words.slice(place + 1),
    started: boot + number(22) / ticks,
    memory: ownPages(pid) * pageSize,
  };
}
