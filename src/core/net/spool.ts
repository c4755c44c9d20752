/** A message whose size must be known before it can be sent on: in memory while it is small, in a file without a name then. */
import { closeSync, openSync, unlinkSync } from "node:fs";
import { readSome, writeAll } from "../sys/fd.ts";

const inMemory = 1 << 20;
const chunk = 65536;

export class Spool {
  readonly #parts: Buffer[] = [];
  #file: number | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Throws ENOSPC and the like. */
  add(piece: Uint8Array): void {
    this.#size += piece.length;
    if (this.#file === undefined && this.#size > inMemory) this.#moveToFile();
    if (this.#file === undefined) this.#parts.push(Buffer.from(piece));
    else writeAll(this.#file, piece);
  }

  /** Everything from the beginning, in pieces that are valid until the next one. */
  *pieces(): Generator<Uint8Array> {
    if (this.#file === undefined) {
      yield* this.#parts;
      return;
    }
    const buffer = Buffer.allocUnsafe(chunk);
    for (let position = 0; position < this.#size; ) {
      const length = readSome(this.#file, buffer, position);
      if (length === 0) throw new Error("a spooled message became shorter");
      position += length;
      yield buffer.subarray(0, length);
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }

  #moveToFile(): void {
    const unique = crypto.getRandomValues(new Uint32Array(2)).join("");
    const path = `${process.env.TMPDIR || "/tmp"}/qmail.${process.pid}.${unique}`;
    this.#file = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    for (const part of this.#parts.splice(0)) writeAll(this.#file, part);
  }
}
