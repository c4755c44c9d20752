/**
 * Flushes on a file system that takes no more writes, each way, and prints what came of each. To be run as root in a
 * mount namespace; the argument is an empty directory.
 */
import { spawnSync } from "node:child_process";
import { isSystemError } from "../../../src/core/exit.ts";
import { syncDirectory, syncFileSystemOf } from "../../../src/core/sys/durable.ts";
import * as meanwhile from "../../../src/core/sys/durable-async.ts";
import { Flusher } from "../../../src/core/sys/flusher.ts";

const [place = ""] = process.argv.slice(2);
const mount = (...words: string[]): void => {
  const { status, stderr } = spawnSync("mount", words);
  if (status !== 0) throw new Error(stderr.toString());
};

async function come(flush: () => Promise<void> | void): Promise<string> {
  try {
    await flush();
    return "flushed";
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return failure.code;
  }
}

mount("-t", "tmpfs", "tmpfs", place);
const flusher = new Flusher([place]);
const ways = {
  all: () => flusher.all?.(flusher.moment, []),
  each: () => flusher.each({ files: [], directories: [place] }),
  names: () => syncDirectory(place),
  "names, meanwhile": () => meanwhile.syncDirectory(place),
  "file system": () => syncFileSystemOf(place),
};
const outcomes = async () => Object.fromEntries(await Promise.all(Object.entries(ways).map(outcome)));
const outcome = async ([name, flush]: [string, () => Promise<void> | void]) => [name, await come(flush)];

const before: unknown = await outcomes();
mount("-o", "remount,ro", place);
console.log(JSON.stringify([before, await outcomes()]));
flusher.close();
