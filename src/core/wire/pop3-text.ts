/**
 * What POP3 sends (RFC 1939, 3): a message, whose lines end with CR LF, and one that begins with a dot gets another;
 * and the lines of a long list.
 */

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

const chunk = 65536;
const zero = 48;

/** Lines that are sent in large pieces: of a list of 50,000 messages each line by itself would take longest. */
export class Pop3Lines {
  readonly #send: (bytes: Buffer) => void;
  #bytes = Buffer.allocUnsafeSlow(chunk);
  #used = 0;

  /** @param send gets each piece, and may keep it */
  constructor(send: (bytes: Buffer) => void) {
    this.#send = send;
  }

  text(piece: Uint8Array): void {
    if (piece.length > chunk - this.#used) this.flush();
    this.#bytes.set(piece, this.#used);
    this.#used += piece.length;
  }

  /** A whole number, in decimal digits. */
  number(value: number): void {
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    if (digits > chunk - this.#used) this.flush();
    this.#used += digits;
    for (
      let place = this.#used - 1, rest = value;
      digits > 0;
      digits--, place--, rest = Math.floor(rest / 10)
    )
      this.#bytes[place] = zero + (rest % 10);
  }

  flush(): void {
    if (this.#used === 0) return;
    this.#send(this.#bytes.subarray(0, this.#used));
    this.#bytes = Buffer.allocUnsafeSlow(chunk);
    this.#used = 0;
  }
}
