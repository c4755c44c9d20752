/** The faults that are injected, and the system calls that can have them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Point } from "./points.ts";

export interface Fault {
  name: string;
  /** What strace is told to do with the call. */
  action: string;
  /** The calls it can happen to. */
  calls: RegExp;
}

const opening = "open|openat|openat2|creat";
const writing = "write|writev|pwrite64|pwritev|pwritev2";
const reading = "read|readv|pread64|preadv|preadv2|getdents64";
const naming = "link|linkat|rename|renameat|renameat2|mkdir|mkdirat|symlink|unlink|unlinkat";
const flushing = "fsync|fdatasync|syncfs|sync_file_range";
const descriptors = "pipe2|socket|socketpair|accept|accept4|dup|fcntl";
const asking =
  "stat|lstat|fstat|newfstatat|statx|access|faccessat|faccessat2|readlink|readlinkat|chdir|fchdir|lseek";
const talking = "connect|sendmsg|recvmsg|sendto|recvfrom|poll|ppoll|wait4|waitid|flock|close";
const changing = "ftruncate|truncate|utimensat|fchmod|fchmodat|chmod|chown|fchown";

const calls = (...names: string[]): RegExp => new RegExp(`^(${names.join("|")})$`);
const all = calls(
  opening,
  writing,
  reading,
  naming,
  flushing,
  descriptors,
  asking,
  talking,
  changing,
  "vfork|fork|execve",
);

export const faults: readonly Fault[] = [
  // Before the call is carried out, so that together the points are all states between two calls.
  { name: "SIGKILL", action: "signal=SIGKILL", calls: all },
  { name: "ENOSPC", action: "error=ENOSPC", calls: calls(opening, writing, naming, flushing, changing) },
  { name: "EDQUOT", action: "error=EDQUOT", calls: calls(opening, writing, naming, flushing) },
  {
    name: "EIO",
    action: "error=EIO",
    calls: calls(opening, writing, reading, naming, flushing, asking, changing, "close"),
  },
  { name: "EMFILE", action: "error=EMFILE", calls: calls(opening, descriptors) },
  {
    name: "ENOMEM",
    action: "error=ENOMEM",
    calls: calls(opening, reading, naming, asking, flushing, "vfork|fork|poll"),
  },
  { name: "EINTR", action: "error=EINTR", calls: calls(opening, writing, reading, flushing, talking) },
  // The call is not carried out, so this short write is one of no byte.
  { name: "empty write", action: "retval=0", calls: calls(writing) },
  // Not by strace: one write is carried out to its half; or each is, until one byte is left.
  { name: "half write", action: "half", calls: /^half write$/ },
  { name: "half writes", action: "half", calls: /^every write$/ },
];

/** The one point of a run in which every write is cut to its half. */
export const everyWrite: Point = { call: "every write", nth: 1, text: "every write" };

export const isHalf = ({ action }: Fault): boolean => action === "half";

/** Compiles halves.c; false: there is no compiler, or another processor. */
export function compileHalves(to: string): boolean {
  if (process.arch !== "x64" || Bun.which("cc") === null) return false;
  const { exitCode, stderr } = Bun.spawnSync(["cc", "-O2", "-o", to, join(import.meta.dir, "halves.c")]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  return true;
}

/** The writes that can be cut, from the trace of a run in which halves.c cut none. */
export const halvesIn = (trace: string): Point[] =>
  readFileSync(trace, "latin1")
    .split("\n")
    .filter((line) => line !== "")
    .map((text, index) => ({ call: "half write", nth: index + 1, text }));

/** The words that cut the write of that number; 0 for none, undefined for all. */
export const halving = (halves: string, follow: boolean, trace: string, nth?: number): string[] => [
  halves,
  ...(follow ? ["-f"] : []),
  ...(nth === undefined ? [] : ["-n", String(nth)]),
  ...["-o", trace],
];

/** The words that inject it. `follow`: into threads and children, too. `halves`: where halves.c was compiled to. */
export function injection(
  fault: Fault,
  point: Point,
  trace: string,
  follow: boolean,
  halves: string,
): string[] {
  if (isHalf(fault)) return halving(halves, follow, trace, point === everyWrite ? undefined : point.nth);
  const inject = `inject=${point.call}:${fault.action}:when=${point.nth}`;
  const filter = follow ? ["-f"] : [];
  return ["strace", ...filter, "-y", "-qq", "-o", trace, "-e", `trace=${point.call}`, "-e", inject];
}
