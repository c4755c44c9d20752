/** Running a program for a delivery and keeping what it says. */
import { closeSync } from "node:fs";
import { arrivals } from "../sys/input.ts";
import { pipe } from "../sys/libc.ts";
import { type End, type Start, start } from "../sys/spawn.ts";
import { attempt } from "./trouble.ts";

/** Takes a program's output piece by piece. A piece is valid only during the call. */
export interface Collector {
  add: (piece: Buffer) => void;
}

/**
 * Starts what `how` says, with a pipe's writing end among its descriptors, and waits for the program's end and for
 * everybody who has that pipe open. Throws (ENOENT, EACCES, EPERM, ...) if it can not be started.
 */
export async function runCollecting(how: (output: number) => Start, collector: Collector): Promise<End> {
  const [from, to] = attempt("Zqmail-spawn unable to create pipe. (#4.3.0)\n", pipe);
  try {
    const child = startAndClose(how(to), to);
    for await (const piece of arrivals(from))
      collector.add(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
    return await child.ended;
  } finally {
    closeSync(from);
  }
}

function startAndClose(how: Start, fd: number) {
  try {
    return start(how);
  } finally {
    closeSync(fd);
  }
}
