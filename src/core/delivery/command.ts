/**
 * What qmail-send asks of its spawners, on their descriptor 0: a byte (or two, slot-number.ts) that numbers the
 * delivery, then the message's file below queue/mess, the sender and the recipient, each with a NUL behind it.
 */
import type { SlotWidth } from "./slot-number.ts";

/** One request for a delivery. */
export interface Command {
  delivery: number;
  message: Buffer;
  sender: Buffer;
  recipient: Buffer;
  /** A field was too long to be kept: everything but the number is garbage. */
  tooLong: boolean;
}

/** No field of a sane command comes near this. */
export const fieldLimit = 1 << 20;

const fieldsOfCommand = 3;

/** Cuts the bytes that arrive into commands, wherever the pieces end. */
export class CommandReader {
  readonly #width: SlotWidth;
  #delivery = 0;
  #digits = 0;
  #fields: Buffer[] = [];
  #pieces: Buffer[] = [];
  #length = 0;
  #tooLong = false;

  constructor(width: SlotWidth = 1) {
    this.#width = width;
  }

  /** The commands that these bytes complete. */
  *feed(bytes: Uint8Array): Generator<Command> {
    const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let position = 0; position < input.length; ) {
      if (this.#digits < this.#width) {
        this.#delivery = (this.#delivery << 8) | (input[position++] ?? 0);
        this.#digits++;
        continue;
      }
      const end = input.indexOf(0, position);
      this.#keep(input.subarray(position, end < 0 ? input.length : end));
      if (end < 0) return;
      position = end + 1;
      this.#endField();
      if (this.#fields.length === fieldsOfCommand) yield this.#endCommand();
    }
  }

  #keep(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#length > fieldLimit) this.#tooLong = true;
    // A copy: the runtime may use the buffer it handed out again.
    else this.#pieces.push(Buffer.from(piece));
  }

  #endField(): void {
    this.#fields.push(Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#length = 0;
  }

  #endCommand(): Command {
    const [message, sender, recipient] = this.#fields as [Buffer, Buffer, Buffer];
    const command = { delivery: this.#delivery, message, sender, recipient, tooLong: this.#tooLong };
    this.#delivery = 0;
    this.#digits = 0;
    this.#fields = [];
    this.#tooLong = false;
    return command;
  }
}
