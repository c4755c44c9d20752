/** Replies of an SMTP server (RFC 5321 section 4.2), read as leniently as qmail-remote always did. */

const carriageReturn = 13;
const lineFeed = 10;
const hyphen = 45;
const zero = 48;

/** How much of a reply's text is kept for the report. */
const textLimit = 5000;

/** Room for most replies. */
const usual = 512;

/** A complete reply. */
export interface Reply {
  /** What the first three bytes make, taken for digits whatever they are: 250, but also 5451 for `abc`. */
  code: number;
  /** All its lines without CRs, as far as they fit. */
  text: Buffer;
}

/** Whether a reply tells of a permanent failure. Bytes below `0` made the code negative: not understood either. */
export const isPermanent = (code: number): boolean => code >= 500 || code < 0;

/** Whether a reply tells of a temporary failure. */
export const isTemporary = (code: number): boolean => code >= 400 && code < 500;

/**
 * Collects one reply. The code is that of its first line; lines go on while their fourth byte is a hyphen, and what
 * comes behind the last LF stays with the caller.
 */
export class ReplyReader {
  #code = 0;
  /** Position in the current line, counting no further than the byte behind the code. */
  #column = 0;
  #line = 0;
  #continued = false;
  #text = Buffer.allocUnsafe(usual);
  #length = 0;

  /** Takes bytes from `offset` on; returns how many belong to this reply. */
  push(bytes: Uint8Array, offset: number): { used: number; reply?: Reply } {
    for (let index = offset; index < bytes.length; index++) {
      if (this.#take(bytes[index] ?? 0))
        return {
          used: index + 1 - offset,
          reply: { code: this.#code, text: Buffer.from(this.#text.subarray(0, this.#length)) },
        };
    }
    return { used: bytes.length - offset };
  }

  /** True at the end of the reply. */
  #take(byte: number): boolean {
    if (byte !== carriageReturn && this.#length < textLimit) {
      if (this.#length === this.#text.length) this.#grow();
      this.#text[this.#length++] = byte;
    }
    if (this.#column < 3) {
      if (this.#line === 0) this.#code = this.#code * 10 + (byte - zero);
      this.#column++;
      return false;
    }
    if (this.#column === 3) {
      this.#continued = byte === hyphen;
      this.#column++;
    }
    if (byte !== lineFeed) return false;
    this.#column = 0;
    this.#line++;
    return !this.#continued;
  }

  #grow(): void {
    const larger = Buffer.allocUnsafe(textLimit);
    this.#text.copy(larger);
    this.#text = larger;
  }
}
