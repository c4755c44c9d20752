/**
 * The barrier of several files at once (DESIGN: durability). A few files are synced one by one with their
 * directories; many share one syncfs, which costs about as much as one of them.
 */
import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { syncDirectory, syncFileSystemOf } from "../sys/durable.ts";

/** Up to here files are synced one by one: what one message has. */
const few = 3;

/** Returns when these files, their contents and their names, would survive a power cut. All are on one file system. */
export function filesBarrier(paths: readonly string[]): void {
  const directories = new Set(paths.map((path) => dirname(path)));
  if (paths.length <= few) for (const path of paths) syncNow(path);
  settle(directories, paths.length);
}

/** The same for names alone: what was made, renamed or removed in these directories. */
export function namesBarrier(directories: readonly string[]): void {
  const distinct = new Set(directories);
  settle(distinct, distinct.size);
}

function settle(directories: ReadonlySet<string>, count: number): void {
  const [first] = directories;
  if (first !== undefined && count > few) syncFileSystemOf(first);
  else for (const directory of directories) syncDirectory(directory);
}

function syncNow(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
