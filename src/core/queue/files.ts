/**
 * The queue's files as qmail-send and the queue tools use them. A path is relative to the queue (`local/7/30`); texts
 * are strings whose characters are bytes. The tests have a queue in memory.
 */
import type { QueueDirectory } from "./paths.ts";

/** A file read record by record; the records end with NUL. */
export interface Records {
  /** The next record without its NUL; undefined at the end, where an unfinished record does not count. */
  next(): string | undefined;
  close(): void;
}

/** A file being written. */
export interface Output {
  write(text: string): void;
  close(): void;
}

/** What stat(2) tells; times in seconds. */
export interface Status {
  size: number;
  accessed: number;
  modified: number;
}

/** Every call throws a SystemError if it fails. */
export interface QueueDisk {
  path(directory: QueueDirectory, id: bigint): string;
  /** In how many folders a directory is split; 0: it is not. */
  folders(directory: QueueDirectory): number;
  /** The messages that have a file in a directory (in one folder of a split one), in the directory's order. */
  list(directory: QueueDirectory, folder?: number): bigint[];
  /** All names in a directory, sorted; none where there is no such directory. */
  names(directory: string): string[];
  /** undefined: there is no such file. */
  status(path: string): Status | undefined;
  /** What tells a message from any other that has or had its number; undefined: there is no such message. */
  identity(id: bigint): string | undefined;
  /** Removes a file that has to be there. */
  remove(path: string): void;
  rename(from: string, to: string): void;
  /** Sets both times. */
  touch(path: string, seconds: number): void;
  open(path: string): Records;
  /** A new file; EEXIST if the name is taken. */
  create(path: string): Output;
  /** A file with this content, whether it was there or not. */
  replace(path: string, text: string): void;
  /** Lets a file have this text from an offset on. */
  finish(path: string, offset: number, text: string): void;
  /** Returns when these files, names and contents, would survive a power cut. */
  barrier(paths: readonly string[]): void;
  /** Returns when what was done to the names in these directories would survive a power cut. */
  settle(directories: readonly string[]): void;
  /** Writes `D` at an offset of a recipient list. */
  mark(path: string, offset: number): void;
  /** Adds to the end of a file that may not be there yet, durably, all or nothing. */
  append(path: string, text: string): void;
}

/** The records of a whole file. */
export function recordsOf(disk: QueueDisk, path: string): string[] {
  const found: string[] = [];
  const records = disk.open(path);
  try {
    for (let record = records.next(); record !== undefined; record = records.next()) found.push(record);
  } finally {
    records.close();
  }
  return found;
}
