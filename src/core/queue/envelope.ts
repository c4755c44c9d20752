/**
 * The envelope as qmail-queue reads it from descriptor 1 and as it stands in intd (envelopes(5)): `F` sender NUL,
 * any number of `T` recipient NUL, and a NUL that ends it.
 */
import { Exit } from "../exit.ts";
import { queueExit } from "./codes.ts";

/** An address may have 1002 bytes. */
const longestAddress = 1002;

const letterF = 70;
const letterT = 84;

/** The records of an envelope; an address has no NUL in it. */
export function envelopeOf(sender: Buffer, recipients: readonly Buffer[]): Buffer {
  const nul = Buffer.of(0);
  const [from, to] = [Buffer.from("F"), Buffer.from("T")];
  const records = [from, sender, nul];
  for (const recipient of recipients) records.push(to, recipient, nul);
  records.push(nul);
  return Buffer.concat(records);
}

/** Reads an envelope in pieces of any size and tells which of their bytes are records. */
export class EnvelopeReader {
  /** What the next byte is: a record's letter, or the nth byte of its address. */
  #at: "sender" | "recipient" | number = "sender";

  /** Whether the NUL that ends the envelope was read. */
  done = false;

  /**
   * The next piece; returns how many of its bytes belong to records. What follows the end is ignored.
   * @throws Exit 91 where a letter is wrong, 11 where an address is too long
   */
  read(piece: Uint8Array): number {
    let index = 0;
    while (index < piece.length && !this.done)
      index =
        typeof this.#at === "number" ? this.#address(piece, index, this.#at) : this.#letter(piece, index);
    return index;
  }

  #letter(piece: Uint8Array, index: number): number {
    const byte = piece[index];
    this.done = byte === 0 && this.#at === "recipient";
    if (this.done) return index;
    if (byte !== (this.#at === "sender" ? letterF : letterT)) throw new Exit(queueExit.envelope);
    this.#at = 0;
    return index + 1;
  }

  #address(piece: Uint8Array, index: number, read: number): number {
    const end = piece.indexOf(0, index);
    const length = read + (end < 0 ? piece.length : end) - index;
    if (length > longestAddress) throw new Exit(queueExit.addressTooLong);
    this.#at = end < 0 ? length : "recipient";
    return end < 0 ? piece.length : end + 1;
  }
}
