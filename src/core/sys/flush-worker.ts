/** The thread that waits for the disk, so that the thread with the sessions does not (flusher.ts). */
import { fsyncSync, linkSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { syncDirectory } from "./durable.ts";
import type { FlushOrder, FlushResult } from "./flusher.ts";
import { syncFileSystem } from "./libc.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<FlushOrder>) => {
  self.postMessage({ number: data.number, code: done(data) } satisfies FlushResult);
};

/** Does it; the name of the errno if it failed. */
function done(order: FlushOrder): string | undefined {
  try {
    if (order.fileSystem !== undefined) syncFileSystem(order.fileSystem);
    for (const fd of order.files) fsyncSync(fd);
    if (order.link !== undefined) linkSync(order.link.from, order.link.to);
    for (const path of order.directories) syncDirectory(path);
    return undefined;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return failure.code;
  }
}
