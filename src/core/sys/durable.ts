/**
 * Barriers: nothing behind one is done before everything in front of it would survive a power cut. A barrier that
 * fails throws, and its caller reports a temporary failure (DESIGN: durability).
 */
import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { syncFileSystem } from "./libc.ts";
import { mustTakeWrites } from "./takes-writes.ts";

/** Makes a file's content durable. */
export function syncFile(fd: number): void {
  fsyncSync(fd);
}

/**
 * Makes the names in a directory durable: what was created, linked, renamed or removed in it. fsync of the file
 * alone does not promise that (fsync(2)).
 */
export function syncDirectory(path: string | Buffer): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch (failure) {
    // EINVAL: this file system has no sync of directories (some network and FUSE ones); it does what it can unasked.
    if (!isSystemError(failure, "EINVAL")) throw failure;
  } finally {
    closeSync(fd);
  }
  mustTakeWrites(path);
}

/** Since Linux 5.8, syncfs(2) tells if data could not be written; before, its success says nothing. */
export function syncfsTells(): boolean {
  const { release } = process.getBuiltinModule("node:os");
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 8);
}

/** Makes everything on the file system of a directory durable; one that the process may write to (mustTakeWrites). */
export function syncFileSystemOf(directory: string | Buffer): void {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    syncFileSystem(fd);
  } finally {
    closeSync(fd);
  }
  mustTakeWrites(directory);
}
