/**
 * Command lines as SMTP and POP3 clients send them: a verb, spaces, an argument, CR LF (or LF alone). A NUL ends the
 * line early, as it always has.
 */
/** One command. */
export interface Command {
  /** In small letters; its characters are bytes. Empty where the line is empty or begins with a space. */
  verb: string;
  /** What follows the spaces behind the verb. It may be a part of what the client sent: copy what is to last. */
  argument: Buffer;
  /** False: the line was longer than the reader keeps, and the argument has lost its end. */
  whole: boolean;
}

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;

/** How much of a line is kept. Far more than any command needs (RFC 5321, 4.5.3.1.4 asks for 512 bytes). */
const lineLimit = 32768;

/** Puts lines together from pieces of any size, in bounded memory: what is too long loses its end. */
export class CommandReader {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #length = 0;
  #whole = true;
  constructor(limit = lineLimit) {
    this.#limit = limit;
  }

  /** Takes bytes up to the end of the present line. Undefined: they did not end it. */
  take(bytes: Buffer): { taken: number; command: Command | undefined } {
    const end = bytes.indexOf(lineFeed);
    if (end < 0) {
      this.#keep(bytes, true);
      return { taken: bytes.length, command: undefined };
    }
    if (this.#length === 0 && end <= this.#limit) return { taken: end + 1, command: parse(bytes, end, true) };
    this.#keep(bytes.subarray(0, end), false);
    const line = this.#parts.length === 1 ? (this.#parts[0] ?? bytes) : Buffer.concat(this.#parts);
    const command = parse(line, line.length, this.#whole);
    this.#parts = [];
    this.#length = 0;
    this.#whole = true;
    return { taken: end + 1, command };
  }

  /** Adds to the line what there is room for; a copy where the line goes on after this call. */
  #keep(piece: Buffer, copy: boolean): void {
    const kept = piece.subarray(0, this.#limit - this.#length);
    if (kept.length < piece.length) this.#whole = false;
    if (kept.length > 0) this.#parts.push(copy ? Buffer.from(kept) : kept);
    this.#length += kept.length;
    // A client that sends single bytes must not cost more than one that sends lines.
    if (this.#parts.length > 64) this.#parts = [Buffer.concat(this.#parts)];
  }
}

/** Takes apart a line that ends, without its line feed, at `end`. */
function parse(line: Buffer, end: number, whole: boolean): Command {
  let stop = line[end - 1] === carriageReturn ? end - 1 : end;
  let verbEnd = stop;
  for (let index = 0; index < stop; index++) {
    const byte = line[index];
    if (byte === 0) stop = index;
    else if (byte === space && verbEnd > index) verbEnd = index;
  }
  verbEnd = Math.min(verbEnd, stop);
  let start = verbEnd;
  while (start < stop && line[start] === space) start++;
  const verb = line.toString("latin1", 0, verbEnd).replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return { verb, argument: line.subarray(start, stop), whole };
}
