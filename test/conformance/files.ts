/** Fixture files of a case, and what became of a directory tree while it ran. */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isSystemError } from "../../src/core/exit.ts";
import { makeFifo } from "../../src/core/sys/libc.ts";
import { userNumbers } from "../helpers/users.ts";
import { bytesOf, type FileObject, type FileSpecification, field } from "./format.ts";

/** Makes files below `base` in the order given; null removes. `text` replaces the placeholders of a content or target. */
export function makeFiles(
  base: string,
  files: Readonly<Record<string, FileSpecification | null>>,
  text: (pattern: string) => string,
): void {
  const directories = new Map<string, number>();
  for (const [name, specification] of Object.entries(files)) {
    const path = join(base, text(name));
    if (specification === null) {
      rmSync(path, { recursive: true, force: true });
      directories.delete(path);
      continue;
    }
    const file = typeof specification === "string" ? { content: specification } : specification;
    makeFile(path, file, text);
    if (file.type === "dir") directories.set(path, octal(file.mode ?? "755"));
  }
  // Only now, and the deepest first: an ordinary user can make nothing where the mode forbids it.
  for (const path of [...directories.keys()].sort((one, other) => other.length - one.length))
    chmodSync(path, directories.get(path) ?? 0o755);
}

function makeFile(path: string, file: FileObject, text: (pattern: string) => string): void {
  makeParents(dirname(path));
  if (file.type === "symlink") {
    symlinkSync(Buffer.from(text(bytesOf(file.target ?? "")), "latin1"), path);
    return;
  }
  if (file.type === "dir") mkdirSync(path, { recursive: true });
  else if (file.type === "fifo") makeFifo(path, 0o644);
  else {
    rmSync(path, { force: true });
    writeFileSync(path, Buffer.from(contentOf(file, text), "latin1"));
  }
  // In the home of an ordinary user everything is that user's, as in any private home.
  if (file.owner !== undefined && process.geteuid?.() === 0)
    chownSync(path, ownerOf(file.owner), ownerOf(file.owner));
  if (file.type !== "dir") chmodSync(path, octal(file.mode ?? "644"));
  const time = file.age === undefined ? file.mtime : Date.now() / 1000 - file.age;
  if (time !== undefined) utimesSync(path, time, time);
}

function makeParents(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (failure) {
    // A parent may be a link to a directory, or a file that the case wants in the way.
    if (!lstatSync(path, { throwIfNoEntry: false })) throw failure;
  }
}

function contentOf(file: FileObject, text: (pattern: string) => string): string {
  if (file.b64 !== undefined) return bytesOf({ b64: file.b64 });
  return text(field(file, "content") ?? "");
}

export const octal = (mode: string): number => Number.parseInt(mode, 8);

/** The number of a user given by name or number. */
export function ownerOf(owner: string | number): number {
  if (typeof owner === "number" || /^\d+$/.test(owner)) return Number(owner);
  const uid = userNumbers[owner];
  if (uid === undefined) throw new Error(`unknown owner ${owner}`);
  return uid;
}

/** One entry of a tree. A directory's path ends in a slash. */
export interface Entry {
  path: string;
  type?: string;
  mode: string;
  content?: string;
}

/** Everything below `base`; paths start with `prefix`. The order is that of the directory. */
export function snapshot(base: string, prefix: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const name of list(base)) add(join(base, name), prefix + name, entries);
  return entries;
}

/** Names as latin1. */
function list(directory: string): string[] {
  if (!lstatSync(directory, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(directory, { encoding: "buffer" }).map((name) => Buffer.from(name).toString("utf8"));
}

function add(path: string, name: string, entries: Map<string, Entry>): void {
  const stat = lstatSync(path);
  const mode = `0${(stat.mode & 0o7777).toString(8)}`;
  if (stat.isDirectory()) {
    entries.set(`${name}/`, { path: `${name}/`, type: "dir", mode });
    for (const inner of list(path)) add(join(path, inner), `${name}/${inner}`, entries);
  } else if (stat.isSymbolicLink()) {
    entries.set(name, { path: name, type: "symlink", mode, content: readlinkSync(path, "latin1") });
  } else if (stat.isFile()) {
    entries.set(name, { path: name, mode, content: contentIn(path) });
  } else {
    entries.set(name, { path: name, type: stat.isFIFO() ? "fifo" : "other", mode });
  }
}

/** What is in a file; an ordinary user can not read a file that a case made unreadable, and it is as it was. */
function contentIn(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (failure) {
    if (isSystemError(failure, "EACCES")) return "(unreadable)";
    throw failure;
  }
}

/** What changed from one snapshot to a later one. */
export function changes(
  before: ReadonlyMap<string, Entry>,
  after: ReadonlyMap<string, Entry>,
): (Entry | { path: string; removed: true })[] {
  const removed = [...before.keys()].filter((path) => !after.has(path));
  const other = [...after.values()].filter((entry) => !same(entry, before.get(entry.path)));
  const temporary = /^(\{\{QMAIL\}\}\/)?(users|control)\/[^/]*\.tmp$/;
  return [...other, ...removed.map((path) => ({ path, removed: true as const }))].filter(
    (entry) => !temporary.test(entry.path),
  );
}

function same(entry: Entry, earlier: Entry | undefined): boolean {
  return (
    earlier !== undefined &&
    entry.type === earlier.type &&
    entry.mode === earlier.mode &&
    entry.content === earlier.content
  );
}
