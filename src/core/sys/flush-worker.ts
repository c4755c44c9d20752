/** The thread that waits for the disk, so that the thread with the sessions does not (flusher.ts). */
import type { Pointer } from "bun:ffi";
import { fsyncSync, linkSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { syncDirectory } from "./durable.ts";
import { FlushTurns, turnWords } from "./flush-turns.ts";
import type { FlushOrder, FlushResult } from "./flusher.ts";
import { beginWriting, syncFileSystem } from "./libc.ts";
import { awaitChange, wakeAll, wordsAt } from "./shared-words.ts";
import { mustTakeWrites } from "./takes-writes.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<FlushOrder>) => {
  self.postMessage({ number: data.number, code: done(data) } satisfies FlushResult);
};

/** Does it; the name of the errno if it failed. */
function done(order: FlushOrder): string | undefined {
  try {
    if (order.fileSystem !== undefined) flushAll(order.fileSystem, order.files);
    else for (const fd of order.files) fsyncSync(fd);
    if (order.link !== undefined) linkSync(order.link.from, order.link.to);
    for (const path of order.directories) syncDirectory(path);
    return undefined;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return failure.code;
  }
}

let turns: FlushTurns | undefined;

function flushAll(
  { path, fd, moment, turns: place }: NonNullable<FlushOrder["fileSystem"]>,
  files: readonly number[],
): void {
  // The disk takes them while we wait for our turn.
  for (const file of files) beginWriting(file);
  const flush = (): void => {
    syncFileSystem(fd);
    mustTakeWrites(path);
  };
  if (place === undefined) flush();
  else {
    turns ??= turnsAt(place);
    turns.flush(moment, flush);
  }
}

function turnsAt(place: Pointer): FlushTurns {
  const words = wordsAt(place, turnWords);
  const name = 1 + Math.floor(Math.random() * 0x7fff_fffe);
  return new FlushTurns(words, name, {
    change: (word, value, milliseconds) => awaitChange(words, word, value, milliseconds),
    wake: (word) => wakeAll(words, word),
    now: () => performance.now(),
  });
}
