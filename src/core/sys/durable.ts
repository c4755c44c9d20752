/**
 * Barriers: nothing behind one is done before everything in front of it would survive a power cut. A barrier that
 * fails throws, and its caller reports a temporary failure (DESIGN: durability).
 */
import { closeSync, fsyncSync, openSync } from "node:fs";

/** Makes a file's content durable. */
export function syncFile(fd: number): void {
  fsyncSync(fd);
}

/** Makes the names in a directory durable: what was created, linked, renamed or removed in it. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
