/** A log that is still written: what is added to it, also after it was renamed and begun again, or cut to nothing. */
import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { isSystemError } from "../../exit.ts";
import { readSome } from "../../sys/fd.ts";
import { attempt } from "../trouble.ts";

const chunk = 1 << 16;

/** One file by its name. */
export class Follower {
  readonly #path: string;
  #fd: number | undefined;
  #position = 0;

  /** Begins `back` bytes before the end of the file, or at its beginning. Throws 111 where it can not be opened. */
  constructor(path: string, back = Number.POSITIVE_INFINITY) {
    this.#path = path;
    this.#fd = attempt(`open ${path}`, () => openSync(path, "r"));
    this.#position = Math.max(0, fstatSync(this.#fd).size - back);
  }

  /** Where it began: 0, unless something was left out. */
  get position(): number {
    return this.#position;
  }

  /** What was added since the last time. A file that was renamed is read to its end first. */
  *poll(): Generator<Buffer> {
    yield* this.#added();
    if (!this.#replaced()) return;
    yield* this.#added();
    this.close();
    this.#reopen();
    yield* this.#added();
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  *#added(): Generator<Buffer> {
    const fd = this.#fd;
    if (fd === undefined) return;
    if (fstatSync(fd).size < this.#position) this.#position = 0;
    for (;;) {
      const buffer = Buffer.allocUnsafe(chunk);
      const length = attempt(`read ${this.#path}`, () => readSome(fd, buffer, this.#position));
      if (length === 0) return;
      this.#position += length;
      yield buffer.subarray(0, length);
    }
  }

  /** Whether the name leads to another file now. For a moment it may lead nowhere. */
  #replaced(): boolean {
    const now = statSync(this.#path, { throwIfNoEntry: false });
    if (now === undefined) return false;
    if (this.#fd === undefined) return true;
    const { ino, dev } = fstatSync(this.#fd);
    return now.ino !== ino || now.dev !== dev;
  }

  #reopen(): void {
    try {
      this.#fd = openSync(this.#path, "r");
      this.#position = 0;
    } catch (failure) {
      if (!isSystemError(failure, "ENOENT")) throw failure;
    }
  }
}
