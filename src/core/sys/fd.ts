/**
 * Reading and writing descriptors to the end: short reads and writes, EINTR, and EAGAIN on descriptors that another
 * process made non-blocking are settled here.
 */
import { readSync, writeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { waitFor } from "./libc.ts";

const chunk = 65536;
const lineFeed = 10;

/** Reads up to buffer.length bytes, at `position` or at the descriptor's offset; 0 is the end of the file. */
export function readSome(fd: number, buffer: Uint8Array, position: number | null = null): number {
  for (;;) {
    try {
      return readSync(fd, buffer, 0, buffer.length, position);
    } catch (failure) {
      if (isSystemError(failure, "EAGAIN")) waitFor(fd, "read");
      else if (!isSystemError(failure, "EINTR")) throw failure;
    }
  }
}

/** As readSome, but waits no longer than until `deadline` (as Date.now() counts); undefined: the time is over. */
export function readBefore(deadline: number, fd: number, buffer: Uint8Array): number | undefined {
  const left = deadline - Date.now();
  if (left <= 0 || !waitFor(fd, "read", left)) return undefined;
  return readSome(fd, buffer);
}

/** Writes all bytes. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset, bytes.length - offset);
    } catch (failure) {
      if (isSystemError(failure, "EAGAIN")) waitFor(fd, "write");
      else if (!isSystemError(failure, "EINTR")) throw failure;
    }
  }
}

/** Everything until the end of the file. For inputs that are small by their nature, never for messages. */
export function readAll(fd: number): Buffer {
  const parts: Buffer[] = [];
  for (;;) {
    const part = Buffer.allocUnsafe(chunk);
    const length = readSome(fd, part);
    if (length === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, length));
  }
}

/** Copies until the end of the file in constant memory; returns the number of bytes. */
export function copyAll(from: number, to: number): number {
  const buffer = Buffer.allocUnsafe(chunk);
  let total = 0;
  for (let length = readSome(from, buffer); length > 0; length = readSome(from, buffer)) {
    writeAll(to, buffer.subarray(0, length));
    total += length;
  }
  return total;
}

/** Buffered reading of a descriptor. */
export class Reader {
  readonly #fd: number;
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The bytes at hand, read from the descriptor if there are none; empty at the end. Valid until the next call. */
  chunk(): Buffer {
    if (this.#buffer.length === 0) this.#fill();
    const bytes = this.#buffer;
    this.#buffer = bytes.subarray(bytes.length);
    return bytes;
  }

  /** Up to and including the next `separator` (default LF); the rest without one at the end; undefined after it. */
  line(separator = lineFeed): Buffer | undefined {
    let parts: Buffer[] | undefined;
    for (;;) {
      if (this.#buffer.length === 0 && !this.#fill()) return parts && Buffer.concat(parts);
      const end = this.#buffer.indexOf(separator);
      const piece = end < 0 ? this.#buffer : this.#buffer.subarray(0, end + 1);
      this.#buffer = this.#buffer.subarray(piece.length);
      if (end >= 0) return parts ? Buffer.concat([...parts, piece]) : piece;
      parts ??= [];
      parts.push(piece);
    }
  }

  /** One byte, or undefined at the end. */
  byte(): number | undefined {
    if (this.#buffer.length === 0 && !this.#fill()) return undefined;
    const value = this.#buffer[0];
    this.#buffer = this.#buffer.subarray(1);
    return value;
  }

  /** A fresh buffer every time, so that what was handed out stays valid. */
  #fill(): boolean {
    if (this.#ended) return false;
    const buffer = Buffer.allocUnsafeSlow(chunk);
    const length = readSome(this.#fd, buffer);
    this.#buffer = buffer.subarray(0, length);
    this.#ended = length === 0;
    return !this.#ended;
  }
}

/** A buffer that no Writer has at the moment: most have bytes for a few calls only, one after the other. */
let spare: Buffer | undefined;

/** Buffered writing to a descriptor. Nothing is written for sure before flush() returned. */
export class Writer {
  readonly #fd: number;
  #buffer: Buffer | undefined;
  #used = 0;
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Adds bytes, or the characters of a string as bytes (latin1). */
  write(piece: Uint8Array | string): void {
    const bytes = typeof piece === "string" ? Buffer.from(piece, "latin1") : piece;
    if (bytes.length > chunk - this.#used) this.flush();
    if (bytes.length > chunk) {
      writeAll(this.#fd, bytes);
      return;
    }
    this.#buffer ??= spare ?? Buffer.allocUnsafeSlow(chunk);
    if (this.#buffer === spare) spare = undefined;
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  flush(): void {
    if (this.#buffer === undefined) return;
    writeAll(this.#fd, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
    spare = this.#buffer;
    this.#buffer = undefined;
  }
}
