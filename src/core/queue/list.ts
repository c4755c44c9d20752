/** Looking at the queue without changing it. */
import { type Dirent, readdirSync } from "node:fs";
import { queueRoot, queueSplit, type SplitDirectory } from "./paths.ts";

/** A directory of the queue that can not be read; `path` is relative to the queue. */
export class UnreadableDirectory extends Error {
  readonly path: string;
  constructor(path: string, cause: unknown) {
    super(`unable to read ${path}`, { cause });
    this.path = path;
  }
}

/** The ids of the messages that have a file in a split directory, folder by folder, as the system lists them. */
export function* messagesIn(directory: SplitDirectory): Generator<bigint> {
  const folders = listing("mess", queueSplit);
  for (let folder = 0; folder < folders; folder++) {
    const path = `${directory}/${folder}`;
    for (const name of listing(path, () => readdirSync(`${queueRoot()}/${path}`)))
      if (/^\d+$/.test(name)) yield BigInt.asUintN(64, BigInt(name));
  }
}

/** How many regular files there are below a directory of the queue. What can not be read is told to `unreadable`. */
export function countFiles(path: string, unreadable: (path: string, cause: unknown) => void): number {
  let entries: Dirent[];
  try {
    entries = readdirSync(`${queueRoot()}/${path}`, { withFileTypes: true });
  } catch (cause) {
    unreadable(path, cause);
    return 0;
  }
  let count = 0;
  for (const entry of entries)
    if (entry.isDirectory()) count += countFiles(`${path}/${entry.name}`, unreadable);
    else if (entry.isFile()) count++;
  return count;
}

function listing<T>(path: string, list: () => T): T {
  try {
    return list();
  } catch (cause) {
    throw new UnreadableDirectory(path, cause);
  }
}
