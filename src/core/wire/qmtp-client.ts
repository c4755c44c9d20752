/**
 * The client's side of QMTP (https://cr.yp.to/proto/qmtp.txt) for one message, without I/O. The report has the form
 * that qmail-remote(8) describes.
 */
import { bytes } from "../bytes/text.ts";

/** Addresses as they are in the envelope. */
export interface QmtpTransaction {
  sender: Buffer;
  recipients: readonly Buffer[];
}

const digitsLimit = 9;
const textLimit = 5000;
const questionMark = 63;
const colon = 58;
const comma = 44;
const zero = 48;

/** What goes in front of the message and behind it; a line feed as its first byte says that its lines end in one. */
export function qmtpFrame(
  size: number,
  { sender, recipients }: QmtpTransaction,
): { before: Buffer; after: Buffer } {
  const list = Buffer.concat(recipients.map(netstring));
  return {
    before: bytes(`${size + 1}:\n`),
    after: Buffer.concat([bytes(","), netstring(sender), netstring(list)]),
  };
}

const netstring = (text: Buffer): Buffer => Buffer.concat([bytes(`${text.length}:`), text, bytes(",")]);

/** The letters of answers, and those of recipient reports. */
const letters: Readonly<Record<string, "r" | "s" | "h">> = { K: "r", Z: "s", D: "h" };

/** Takes the answers, one netstring for each recipient, and makes the report of them. */
export class QmtpClient {
  over = false;
  readonly #partner: string;
  readonly #recipients: number;
  readonly #report: Buffer[] = [];
  #answers = 0;
  #accepted: Buffer | undefined;
  #critical = false;
  /** Of the answer that is arriving: the digits of its length, what is left of it, and its text. */
  #digits = "";
  #left: number | undefined;
  #text: number[] = [];

  /** `partner`: the server's address, as it appears in reports. */
  constructor(partner: string, recipients: number) {
    this.#partner = partner;
    this.#recipients = recipients;
  }

  /** From now on the server may have the whole message. */
  sent(): void {
    this.#critical = true;
  }

  feed(received: Uint8Array): void {
    for (const byte of received) {
      if (this.over) return;
      this.#take(byte);
    }
  }

  /** The message can not be read. */
  unreadable(): void {
    this.#finish("ZUnable to read message. (#4.3.0)\n");
  }

  /** The connection ended, failed, was silent for too long, or brought something that is no answer. */
  dropped(): void {
    const duplicate = this.#critical ? "Possible duplicate! " : "";
    this.#finish(`ZConnected to ${this.#partner} but connection died. ${duplicate}(#4.4.2)\n`);
  }

  report(): Buffer {
    return Buffer.concat(this.#report);
  }

  #take(byte: number): void {
    if (this.#left === undefined) this.#length(byte);
    else if (this.#left > 0) {
      this.#left--;
      if (this.#text.length < textLimit) this.#text.push(byte === 0 ? questionMark : byte);
    } else if (byte === comma) this.#answered(Buffer.from(this.#text));
    else this.dropped();
  }

  #length(byte: number): void {
    if (byte === colon && this.#digits !== "") this.#left = Number(this.#digits);
    else if (byte >= zero && byte < colon && this.#digits.length < digitsLimit)
      this.#digits += String.fromCharCode(byte);
    else this.dropped();
  }

  #answered(answer: Buffer): void {
    const letter = letters[answer.toString("latin1", 0, 1)];
    if (letter === undefined) this.dropped();
    else this.#recipient(letter, answer);
  }

  #recipient(letter: "r" | "s" | "h", answer: Buffer): void {
    const said = Buffer.concat([bytes("Remote host said: "), answer.subarray(1), bytes("\n")]);
    if (letter === "r") {
      this.#accepted ??= said;
      this.#report.push(bytes("r\0"));
    } else
      this.#report.push(bytes(`${letter}${this.#partner} does not like recipient.\n`), said, bytes("\0"));
    this.#digits = "";
    this.#left = undefined;
    this.#text = [];
    if (++this.#answers === this.#recipients) this.#conclude();
  }

  #conclude(): void {
    if (this.#accepted === undefined) this.#finish(`DGiving up on ${this.#partner}.\n`);
    else {
      this.#report.push(bytes(`K${this.#partner} accepted message.\n`), this.#accepted);
      this.#finish("");
    }
  }

  #finish(text: string): void {
    this.#report.push(bytes(`${text}\0`));
    this.over = true;
  }
}
