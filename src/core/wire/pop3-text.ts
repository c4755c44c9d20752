/** A message as POP3 sends it (RFC 1939, 3): lines end with CR LF, and one that begins with a dot gets another. */

const lineFeed = 10;
const dot = Buffer.from(".");
const crLf = Buffer.from("\r\n");
const end = Buffer.from("\r\n.\r\n");

/** Encodes one message in pieces of any size, whole or only the beginning of its body. */
export class Pop3Encoder {
  #linesLeft: number;
  #inBody = false;
  #atLineStart = true;
  #done = false;

  /** @param lines how many lines of the body are wanted, or undefined: all */
  constructor(lines = Number.POSITIVE_INFINITY) {
    this.#linesLeft = lines;
  }

  /** No more of the message is needed. */
  get done(): boolean {
    return this.#done;
  }

  /** What comes of a piece. */
  take(piece: Buffer): Buffer {
    const parts: Buffer[] = [];
    for (let start = 0; start < piece.length; ) {
      if (this.#atLineStart && !this.#startLine(piece[start], parts)) break;
      const found = piece.indexOf(lineFeed, start);
      parts.push(piece.subarray(start, found < 0 ? piece.length : found));
      this.#atLineStart = found >= 0;
      if (found < 0) break;
      parts.push(crLf);
      start = found + 1;
    }
    return Buffer.concat(parts);
  }

  /** What follows the last piece: the end of a line that had none, and, as ever, an empty line before the dot. */
  end(): Buffer {
    return this.#atLineStart ? end : Buffer.concat([crLf, end]);
  }

  /** False: this line is not wanted any more. */
  #startLine(first: number | undefined, parts: Buffer[]): boolean {
    if (this.#inBody && this.#linesLeft-- <= 0) {
      this.#done = true;
      return false;
    }
    if (first === lineFeed) this.#inBody = true;
    if (first === dot[0]) parts.push(dot);
    return true;
  }
}
