/**
 * The directories and lock files of a queue, as a table: what `qmail init` makes and a repair looks for. Modes are those
 * of qmail's own set-up; in a private home one user owns everything.
 */
import { chmodSync, closeSync, fchmodSync, lstatSync, mkdirSync, openSync, writeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { syncFile } from "../sys/durable.ts";
import { makeFifo } from "../sys/libc.ts";
import { defaultSplit } from "./paths.ts";

/** Who owns it in a system-wide installation. */
export type QueueOwner = "qmailq" | "qmails" | "qmailr";

/** One entry of the table; `path` is relative to the qmail home. */
export interface QueueEntry {
  path: string;
  owner: QueueOwner;
  mode: number;
  kind: "directory" | "file" | "fifo";
  /** Length of the file: zero bytes. */
  length?: number;
}

type Row = readonly [path: string, owner: QueueOwner, mode: number];

const plain: readonly Row[] = [
  ["queue", "qmailq", 0o750],
  ["queue/pid", "qmailq", 0o700],
  ["queue/intd", "qmailq", 0o700],
  ["queue/todo", "qmailq", 0o750],
  ["queue/bounce", "qmails", 0o700],
  ["queue/lock", "qmailq", 0o750],
];

const split: readonly Row[] = [
  ["queue/mess", "qmailq", 0o750],
  ["queue/info", "qmails", 0o700],
  ["queue/local", "qmails", 0o700],
  ["queue/remote", "qmails", 0o700],
];

/** Places in the table of hosts that timed out, 1024 bytes in all (qmail-tcpto(8)). */
const timeoutTable = 1024;

const directory = ([path, owner, mode]: Row): QueueEntry => ({ path, owner, mode, kind: "directory" });

/** Every entry, parents first. `parts`: in how many folders mess, info, local and remote are split. */
export function queueLayout(parts = defaultSplit): QueueEntry[] {
  const numbers = Array.from({ length: parts }, (_, number) => number);
  const folders = split.flatMap(([path, owner, mode]) => [
    directory([path, owner, mode]),
    ...numbers.map((number) => directory([`${path}/${number}`, owner, mode])),
  ]);
  return [
    ...plain.map(directory),
    ...folders,
    { path: "queue/lock/sendmutex", owner: "qmails", mode: 0o600, kind: "file", length: 0 },
    { path: "queue/lock/tcpto", owner: "qmailr", mode: 0o644, kind: "file", length: timeoutTable },
    { path: "queue/lock/trigger", owner: "qmails", mode: 0o622, kind: "fifo" },
  ];
}

/** Makes one entry if its name is free; whether it did. A name that something of another kind has throws ENOTDIR or EEXIST. */
export function makeEntry(home: string, entry: QueueEntry): boolean {
  const path = `${home}/${entry.path}`;
  if (isThere(path, entry)) return false;
  if (entry.kind === "directory") mkdirSync(path);
  else if (entry.kind === "fifo") makeFifo(path, entry.mode);
  else return makeZeros(path, entry);
  chmodSync(path, entry.mode);
  return true;
}

function isThere(path: string, entry: QueueEntry): boolean {
  try {
    const found = lstatSync(path);
    const right = { directory: found.isDirectory(), file: found.isFile(), fifo: found.isFIFO() }[entry.kind];
    if (right) return true;
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return false;
    throw failure;
  }
  throw Object.assign(new Error(`EEXIST: ${path} is no ${entry.kind}`), { code: "EEXIST", errno: -17 });
}

function makeZeros(path: string, { mode, length = 0 }: QueueEntry): true {
  const fd = openSync(path, "wx", mode);
  try {
    fchmodSync(fd, mode);
    writeSync(fd, Buffer.alloc(length));
    syncFile(fd);
  } finally {
    closeSync(fd);
  }
  return true;
}
