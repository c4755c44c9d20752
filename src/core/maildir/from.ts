/** The lines of an mbox that separate messages, and lines of messages that must not look like them (mbox(5)). */
import { bytes } from "../bytes/text.ts";
import { mboxDate } from "../mail/date.ts";

const lineFeed = 10;
const arrow = 62;
const separator = bytes("From ");
const oneArrow = bytes(">");

/** `From name date\n`, the line before every message; blanks, tabs and line feeds of the name become dashes. */
export function separatorLine(name: Uint8Array, unixSeconds: number): Buffer {
  const word = Buffer.from(name);
  for (const [index, byte] of word.entries()) if (byte === 32 || byte === 9 || byte === 10) word[index] = 45;
  return Buffer.concat([separator, word, bytes(` ${mboxDate(unixSeconds)}`)]);
}

/** The line before a message from an envelope sender; no sender is MAILER-DAEMON. */
export function fromLine(sender: Uint8Array, unixSeconds: number): Buffer {
  return separatorLine(sender.length === 0 ? bytes("MAILER-DAEMON") : sender, unixSeconds);
}

/**
 * Puts a `>` in front of every line that begins with `From `, or with `>`s and then `From `. Works on pieces of any
 * size and holds back at most four bytes: where the `>` goes among other `>`s makes no difference, so they pass.
 */
export class FromQuoter {
  #held: Buffer = Buffer.alloc(0);
  /** The line, as far as it was passed on, is empty or made of `>`s. */
  #quotable = true;
  #last = lineFeed;

  /** The next piece of a message; returns what can be written. */
  push(piece: Uint8Array): Buffer[] {
    if (piece.length === 0) return [];
    const data = this.#held.length === 0 ? Buffer.from(piece) : Buffer.concat([this.#held, piece]);
    this.#last = data[data.length - 1] ?? lineFeed;
    const out: Buffer[] = [];
    let written = 0;
    for (let at = data.indexOf(separator); at >= 0; at = data.indexOf(separator, at + separator.length)) {
      if (!this.#startsLine(data, at)) continue;
      out.push(data.subarray(written, at), oneArrow);
      written = at;
    }
    const end = this.#hold(data);
    out.push(data.subarray(written, end));
    return out;
  }

  /** What was held back, and a line feed if the message did not end with one. */
  end(): Buffer[] {
    return this.#last === lineFeed ? [this.#held] : [this.#held, Buffer.of(lineFeed)];
  }

  /** Whether there is nothing but `>`s between the beginning of the line and `at`. */
  #startsLine(data: Buffer, at: number): boolean {
    let index = at - 1;
    while (index >= 0 && data[index] === arrow) index--;
    return index < 0 ? this.#quotable : data[index] === lineFeed;
  }

  /** Keeps the end of `data` if it may be the beginning of `From `; returns where it starts. */
  #hold(data: Buffer): number {
    let length = Math.min(separator.length - 1, data.length);
    while (!data.subarray(data.length - length).equals(separator.subarray(0, length))) length--;
    const start = data.length - length;
    this.#quotable = this.#startsLine(data, start);
    this.#held = this.#quotable ? Buffer.from(data.subarray(start)) : Buffer.alloc(0);
    return this.#quotable ? start : data.length;
  }
}
