/**
 * What follows DATA: SMTP's line ends and dots become a message with line feeds (RFC 5321, 4.5.2). Only CR LF ends a
 * line and only CR LF dot CR LF ends the message. A line feed without CR is refused: what other servers take for
 * the end of a message must never be text here, nor the other way round.
 */

/** What a piece of DATA amounts to. */
export interface Decoded {
  /** How many bytes belong to DATA; behind an end the rest is commands. */
  taken: number;
  /** More of the message; valid until the next call. */
  text: Buffer;
  /** `end`: the message is complete; `stray`: a line feed without CR came; undefined: more is to come. */
  end: "end" | "stray" | undefined;
}

/** What came last: ordinary text, CR LF, CR LF dot, CR LF dot CR, or CR. */
type State = "text" | "line" | "dot" | "dotReturn" | "return";

const lineFeed = 10;
const carriageReturn = 13;
const dot = 46;

/** To copy fewer bytes one by one takes less time than a call that copies them. */
const worthACall = 24;

/** One message's decoder. */
export class DataDecoder {
  #state: State = "line";
  #out = Buffer.alloc(0);
  #used = 0;

  take(bytes: Buffer): Decoded {
    // Never longer than the input, but for a dot and a CR that were held back before.
    if (this.#out.length < bytes.length + 2) this.#out = Buffer.allocUnsafe(bytes.length + 2);
    this.#used = 0;
    for (let index = 0; index < bytes.length; ) {
      const isPlain = this.#state === "text" || (this.#state === "line" && bytes[index] !== dot);
      const found = isPlain ? bytes.indexOf(lineFeed, index) : index;
      if (found < 0) {
        this.#text(bytes, index, bytes.length);
        break;
      }
      if (found > index) this.#text(bytes, index, found);
      const end = this.#step(bytes[found] ?? 0);
      index = found + 1;
      if (end !== undefined) return this.#decoded(index, end);
    }
    return this.#decoded(bytes.length, undefined);
  }

  #decoded(taken: number, end: Decoded["end"]): Decoded {
    return { taken, text: this.#out.subarray(0, this.#used), end };
  }

  /** Bytes without a line feed, not at the dot of a line; a CR at their end is held back. */
  #text(bytes: Buffer, from: number, to: number): void {
    const returns = bytes[to - 1] === carriageReturn;
    this.#copy(bytes, from, returns ? to - 1 : to);
    this.#state = returns ? "return" : "text";
  }

  #copy(bytes: Buffer, from: number, to: number): void {
    if (to - from >= worthACall) this.#used += bytes.copy(this.#out, this.#used, from, to);
    else for (let index = from; index < to; index++) this.#out[this.#used++] = bytes[index] ?? 0;
  }

  #put(byte: number): void {
    this.#out[this.#used++] = byte;
  }

  /** One byte. A line feed means something behind a CR only. */
  #step(byte: number): Decoded["end"] {
    const state = this.#state;
    if (byte === lineFeed) {
      if (state === "dotReturn") return "end";
      if (state !== "return") return "stray";
      this.#put(lineFeed);
      this.#state = "line";
    } else if (byte === carriageReturn) {
      this.#return(state);
    } else if (state === "line" && byte === dot) {
      this.#state = "dot";
    } else {
      if (state === "dotReturn") this.#put(dot);
      if (state === "dotReturn" || state === "return") this.#put(carriageReturn);
      this.#put(byte);
      this.#state = "text";
    }
    return undefined;
  }

  /** A CR is held back until it is known what it is. */
  #return(state: State): void {
    if (state === "dotReturn") this.#put(dot);
    if (state === "dotReturn" || state === "return") this.#put(carriageReturn);
    this.#state = state === "dot" ? "dotReturn" : "return";
  }
}

/** Counts, in a header as the client sends it, the fields that each server and each delivery adds. */
export class HopCounter {
  readonly #start = Buffer.alloc("delivered".length);
  #length = 0;
  #inHeader = true;
  #hops = 0;

  /** Lines that begin with Received or Delivered so far. */
  get hops(): number {
    return this.#hops;
  }

  /** Takes the bytes that the decoder took. */
  take(bytes: Buffer): void {
    for (let from = 0; this.#inHeader && from < bytes.length; ) {
      const found = bytes.indexOf(lineFeed, from);
      const end = found < 0 ? bytes.length : found + 1;
      if (this.#length > 0 || found < 0 || mayMatter(bytes[from] ?? 0)) {
        this.#length += bytes.copy(this.#start, this.#length, from, end);
        if (found >= 0) this.#endLine();
      }
      from = end;
    }
  }

  #endLine(): void {
    const start = this.#start.toString("latin1", 0, this.#length);
    if (start === "\r\n") this.#inHeader = false;
    else if (/^(?:received|delivered)/i.test(start)) this.#hops++;
    this.#length = 0;
  }
}

/** Whether a line that begins so may be one of those, or the empty one at the end. */
function mayMatter(byte: number): boolean {
  const letter = byte | 0x20;
  return byte === carriageReturn || letter === 0x72 || letter === 0x64; // r, d
}
