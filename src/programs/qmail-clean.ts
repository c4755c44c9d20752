/**
 * qmail-clean(8): removes files from the queue as qmail-send asks on descriptor 0 (`foop/ID`, `todo/ID`, each with a
 * NUL), and answers on descriptor 1: `+` done, `!` could not remove, `x` not understood. Old files in pid, and those in
 * intd and todo whose message is gone, it removes by itself.
 */
import { statSync } from "node:fs";
import { Exit, isSystemError } from "../core/exit.ts";
import { Cleaning } from "../core/queue/cleaning.ts";
import { queuePath, queueRoot } from "../core/queue/paths.ts";
import { sweepEnvelopes } from "../core/queue/remove.ts";
import { Reader, writeAll } from "../core/sys/fd.ts";
import { becomeOwnerOf } from "../core/users/identity.ts";

export function main(): number {
  enterQueue();
  sweepEnvelopes();
  const cleaning = new Cleaning(queuePath);
  const input = new Reader(0);
  // Requests that came together are answered together.
  for (let rest = ""; ; ) {
    const bytes = chunkOf(input);
    if (bytes.length === 0) return 0;
    const requests = (rest + bytes.toString("latin1")).split("\0");
    rest = requests.pop() ?? "";
    respond(requests.map((request) => cleaning.answer(request)).join(""));
  }
}

function enterQueue(): void {
  try {
    statSync(`${queueRoot()}/.`);
  } catch (failure) {
    throw isSystemError(failure) ? new Exit(111) : failure;
  }
  becomeOwnerOf(queueRoot());
}

/** Empty when qmail-send is gone. */
function chunkOf(input: Reader): Buffer {
  try {
    return input.chunk();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return Buffer.alloc(0);
  }
}

function respond(text: string): void {
  try {
    writeAll(1, Buffer.from(text));
  } catch (failure) {
    throw isSystemError(failure) ? new Exit(100) : failure;
  }
}
