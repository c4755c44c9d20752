/** What a program of a delivery has said, kept within bounds. */
import { bytes } from "../bytes/text.ts";

/** Everything, up to a limit that no honest program reaches. */
export class WholeOutput {
  /** Whether some of it had to be dropped. */
  overflowed = false;
  readonly #limit: number;
  readonly #pieces: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(piece: Buffer): void {
    const kept = piece.subarray(0, this.#limit - this.#length);
    this.overflowed ||= kept.length < piece.length;
    this.#length += kept.length;
    this.#pieces.push(Buffer.from(kept));
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

const tooLong = bytes("\nError report too long, sorry.\n");
const spare = 3;
const readSize = 128;

/**
 * The beginning of an error report, with a note where the rest was. As in the reference, which reads 128 bytes at a
 * time and cuts after each, up to three bytes from the very end may follow the note.
 */
export class CutReport {
  readonly #limit: number;
  readonly #text: Buffer;
  #length = 0;

  /** `limit`: bytes that are certainly not too long. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#text = Buffer.alloc(limit + readSize);
  }

  add(piece: Buffer): void {
    for (let start = 0; start < piece.length; start += readSize) {
      const part = piece.subarray(start, start + readSize);
      this.#append(part);
      if (this.#length <= this.#limit) continue;
      this.#length = this.#limit - tooLong.length - spare;
      this.#append(tooLong);
    }
  }

  bytes(): Buffer {
    return this.#text.subarray(0, this.#length);
  }

  #append(part: Buffer): void {
    part.copy(this.#text, this.#length);
    this.#length += part.length;
  }
}
