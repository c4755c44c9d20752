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

/** One message's decoder. */
export class DataDecoder {
  #state: State = "line";
  #out = Buffer.alloc(0);
  #used = 0;

  take(bytes: Buffer): Decoded {
    // Never longer than the input, but for a dot and a CR that were held back before.
    if (this.#out.length < bytes.length + 2) this.#out = Buffer.allocUnsafeSlow(bytes.length + 2);
    this.#used = 0;
    for (let index = 0; index < bytes.length; index++) {
      if (this.#state === "text") index += this.#copyText(bytes, index);
      if (index === bytes.length) break;
      const end = this.#step(bytes[index] ?? 0);
      if (end !== undefined) return this.#decoded(index + 1, end);
    }
    return this.#decoded(bytes.length, undefined);
  }

  #decoded(taken: number, end: Decoded["end"]): Decoded {
    return { taken, text: this.#out.subarray(0, this.#used), end };
  }

  /** Copies up to the next CR or LF; returns how many bytes those were. */
  #copyText(bytes: Buffer, from: number): number {
    let to = from;
    while (to < bytes.length && bytes[to] !== carriageReturn && bytes[to] !== lineFeed) to++;
    this.#used += bytes.copy(this.#out, this.#used, from, to);
    return to - from;
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
      this.#length += bytes.copy(this.#start, this.#length, from, end);
      if (found >= 0) this.#endLine();
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
