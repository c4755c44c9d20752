/**
 * The barrier of several files at once (DESIGN: durability). A few files are synced one by one with their
 * directories; many share one syncfs, which costs about as much as one of them.
 */
import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { syncDirectory } from "../sys/durable.ts";
import { syncFileSystem } from "../sys/libc.ts";

/** Up to here files are synced one by one: what one message has. */
const few = 3;

/** Returns when these files, their contents and their names, would survive a power cut. All are on the file system of `root`. */
export function filesBarrier(paths: readonly string[], root: string): void {
  if (paths.length > few) {
    withOpen(root, syncFileSystem);
    return;
  }
  for (const path of paths) withOpen(path, fsyncSync);
  for (const directory of new Set(paths.map((path) => dirname(path)))) syncDirectory(directory);
}

/** The same for names alone: what was made, renamed or removed in these directories. */
export function namesBarrier(directories: readonly string[], root: string): void {
  const distinct = new Set(directories);
  if (distinct.size > few) withOpen(root, syncFileSystem);
  else for (const directory of distinct) syncDirectory(directory);
}

function withOpen(path: string, sync: (fd: number) => void): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    sync(fd);
  } finally {
    closeSync(fd);
  }
}
