/** Logs as they lie on the disk: files, compressed or not, directories of multilog, or descriptor 0. */
import { closeSync, createReadStream, openSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isatty } from "node:tty";
import { createGunzip } from "node:zlib";
import { isSystemError } from "../../exit.ts";
import { errorText } from "../../sys/errors.ts";
import { readSome } from "../../sys/fd.ts";
import { inHome } from "../../sys/home.ts";
import { attempt, fail, refuse } from "../trouble.ts";

/** A file to read, or descriptor 0. */
export const standardInput = "-";

const standardInputFd = 0;
const chunk = 1 << 17;

/** Where a log is usually kept, besides `log` in the home. */
const usual = [
  "/var/log/qmail/current",
  "/var/log/qmail/qmail-send/current",
  "/var/log/qmail-send/current",
] as const;

/**
 * The files of a log in the order in which they were written. Without names: descriptor 0, unless it is a terminal;
 * then the home's log. Refused (100) where there is none.
 */
export function logFiles(names: readonly string[]): string[] {
  if (names.length > 0) return names.flatMap((name) => (name === standardInput ? [name] : filesAt(name)));
  if (!isatty(standardInputFd)) return [standardInput];
  return homeLog() ?? refuseNameless();
}

function refuseNameless(): never {
  throw refuse(
    `which log? give FILEs, or a log on standard input; there is none at ${inHome("log")} or ${usual.join(", ")}`,
  );
}

/** The log that this home or system usually has. */
export function homeLog(): string[] | undefined {
  const place = [inHome("log"), ...usual].find(
    (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
  );
  return place === undefined ? undefined : filesAt(place);
}

/** A directory of multilog holds finished files, named by their time, and `current`. */
function filesAt(name: string): string[] {
  const status = attempt(`open ${name}`, () => statSync(name));
  if (!status.isDirectory()) return [name];
  const entries = attempt(`read directory ${name}`, () => readdirSync(name)).sort();
  const files = entries.filter((entry) => /^@[0-9a-f]{24}\.[su]$/.test(entry) || entry === "current");
  if (files.length === 0) throw refuse(`${name} is a directory without multilog's files (current, @...s)`);
  return files.map((entry) => join(name, entry));
}

/** Bytes in all of the files; undefined where that is not known before they are read. */
export function sizeOf(files: readonly string[]): number | undefined {
  let size = 0;
  for (const file of files) {
    if (file === standardInput || file.endsWith(".gz")) return undefined;
    const status = statSync(file, { throwIfNoEntry: false });
    if (status?.isFile() !== true) return undefined;
    size += status.size;
  }
  return size;
}

const lineFeed = 10;

/**
 * Cuts pieces of a file into lines, a character for each byte. Each line is a string of its own: a part of a longer one
 * would keep all of it in memory as long as anybody remembers a name in it.
 */
export class LineCutter {
  #rest: Buffer[] = [];

  push(piece: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, start)) {
      lines.push(this.#line(piece.subarray(start, end)));
      start = end + 1;
    }
    // A copy: the piece is valid only now.
    if (start < piece.length) this.#rest.push(Buffer.from(piece.subarray(start)));
    return lines;
  }

  /** A last line without its line feed. */
  end(): string[] {
    const line = this.#line(Buffer.alloc(0));
    return line === "" ? [] : [line];
  }

  #line(last: Buffer): string {
    if (this.#rest.length === 0) return last.toString("latin1");
    const line = Buffer.concat([...this.#rest, last]).toString("latin1");
    this.#rest = [];
    return line;
  }
}

/** The lines of all files, many at a time; `progress` is told how many bytes were read. */
export async function* linesOf(
  files: readonly string[],
  progress: (bytes: number) => void = () => undefined,
): AsyncGenerator<string[]> {
  for (const file of files) {
    const cutter = new LineCutter();
    for await (const piece of piecesOf(file)) {
      progress(piece.length);
      yield cutter.push(piece);
    }
    yield cutter.end();
  }
}

async function* piecesOf(file: string): AsyncGenerator<Buffer> {
  if (file.endsWith(".gz")) {
    yield* unpacked(file);
    return;
  }
  const fd = file === standardInput ? standardInputFd : attempt(`open ${file}`, () => openSync(file, "r"));
  try {
    const buffer = Buffer.allocUnsafe(chunk);
    for (;;) {
      const length = attempt(`read ${file}`, () => readSome(fd, buffer));
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    if (fd !== standardInputFd) closeSync(fd);
  }
}

async function* unpacked(file: string): AsyncGenerator<Buffer> {
  const source = createReadStream(file);
  const stream = createGunzip();
  source.on("error", (failure) => stream.destroy(failure)).pipe(stream);
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    const damaged = failure.code.startsWith("Z_") || failure.code.startsWith("ERR_");
    throw fail(
      `unable to read ${file}: ${damaged ? "it is damaged, or not of gzip" : errorText(failure.code)}`,
    );
  }
}
