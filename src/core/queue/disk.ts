/** The queue on the real disk. The current directory is the queue. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { isSystemError } from "../exit.ts";
import { syncDirectory } from "../sys/durable.ts";
import { writeAll } from "../sys/fd.ts";
import { filesBarrier, namesBarrier } from "./barrier.ts";
import type { Output, QueueDisk, Records, Status } from "./files.ts";
import { type QueueDirectory, queueSplit, relativePath } from "./paths.ts";

const { O_RDONLY, O_WRONLY, O_NONBLOCK, O_CREAT, O_EXCL, O_APPEND, O_TRUNC } = constants;
const bufferSize = 8192;
const largestId = 2n ** 64n - 1n;
const split: ReadonlySet<QueueDirectory> = new Set(["mess", "info", "local", "remote"]);

/** What was just read; its bytes become a string at once. */
const scratch = Buffer.allocUnsafeSlow(bufferSize);

/** A file's records, read piece by piece. */
class FileRecords implements Records {
  readonly #fd: number;
  #text = "";
  #start = 0;
  #ended = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  next(): string | undefined {
    for (;;) {
      const nul = this.#text.indexOf("\0", this.#start);
      if (nul >= 0) {
        const record = this.#text.slice(this.#start, nul);
        this.#start = nul + 1;
        return record;
      }
      if (this.#ended) return undefined;
      const length = readSync(this.#fd, scratch, 0, bufferSize, null);
      // What is shorter than the room for it is the end: nobody writes to a list, or an envelope, that can be read.
      this.#ended = length < bufferSize;
      this.#text = this.#text.slice(this.#start) + scratch.toString("latin1", 0, length);
      this.#start = 0;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A new file, written in pieces. */
class FileOutput implements Output {
  readonly #fd: number;
  #pieces: string[] = [];
  #size = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(text: string): void {
    this.#pieces.push(text);
    this.#size += text.length;
    if (this.#size >= bufferSize) this.#flush();
  }

  close(): void {
    try {
      this.#flush();
    } finally {
      closeSync(this.#fd);
    }
  }

  #flush(): void {
    const bytes = Buffer.from(this.#pieces.join(""), "latin1");
    this.#pieces = [];
    this.#size = 0;
    writeAll(this.#fd, bytes);
  }
}

/** A message number as qmail-queue writes it. Anything else in a queue directory is not ours. */
export function idOf(name: string): bigint | undefined {
  if (!/^[1-9]\d{0,19}$/.test(name)) return undefined;
  const id = BigInt(name);
  return id > largestId ? undefined : id;
}

/** As few objects as can be: a folder may have very many names. */
function list(directory: string): bigint[] {
  const ids: bigint[] = [];
  for (const name of readdirSync(directory)) {
    const id = idOf(name);
    if (id !== undefined) ids.push(id);
  }
  return ids;
}

/**
 * Appends durably, or leaves the file as long as it was. The name is made durable every time: that the file was there
 * already does not say that whoever made it came that far.
 */
export function append(path: string, text: string, syncNames = syncDirectory): void {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o644);
  try {
    const { size } = fstatSync(fd);
    try {
      writeAll(fd, Buffer.from(text, "latin1"));
      fsyncSync(fd);
      syncNames(dirname(path));
    } catch (failure) {
      ftruncateSync(fd, size);
      throw failure;
    }
  } finally {
    closeSync(fd);
  }
}

function mark(path: string, offset: number): void {
  const fd = openSync(path, O_WRONLY | O_NONBLOCK);
  try {
    writeSync(fd, "D", offset, "latin1");
  } finally {
    closeSync(fd);
  }
}

function status(path: string): Status | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return (
    stat && {
      size: stat.size,
      accessed: Math.floor(stat.atimeMs / 1000),
      modified: Math.floor(stat.mtimeMs / 1000),
    }
  );
}

/** Names that are not there are none. */
function names(directory: string): string[] {
  // Looked at first: a directory that few queues have costs less so than an error caught.
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return [];
  try {
    return readdirSync(directory).sort();
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return [];
    throw failure;
  }
}

/** The time of the last byte of a message, in nanoseconds. A message is written once, and its number is not free before. */
function identity(id: bigint): string | undefined {
  return statSync(relativePath("mess", id), { bigint: true, throwIfNoEntry: false })?.mtimeNs.toString();
}

function replace(path: string, text: string): void {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0o600);
  try {
    writeAll(fd, Buffer.from(text, "latin1"));
  } finally {
    closeSync(fd);
  }
}

function finish(path: string, offset: number, text: string): void {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_NONBLOCK);
  try {
    ftruncateSync(fd, offset);
    writeAll(fd, Buffer.from(text, "latin1"));
  } finally {
    closeSync(fd);
  }
}

/** The files below the current directory. */
export const realDisk: QueueDisk = {
  path: relativePath,
  folders: (directory) => (split.has(directory) ? queueSplit() : 0),
  list: (directory, folder) => list(folder === undefined ? directory : `${directory}/${folder}`),
  names,
  status,
  identity,
  remove: unlinkSync,
  rename: renameSync,
  touch: (path, seconds) => utimesSync(path, seconds, seconds),
  open: (path) => new FileRecords(openSync(path, O_RDONLY | O_NONBLOCK)),
  create: (path) => new FileOutput(openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK, 0o644)),
  replace,
  finish,
  barrier: filesBarrier,
  settle: namesBarrier,
  mark,
  append,
};
