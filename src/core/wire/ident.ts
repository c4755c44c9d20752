/** Asking who opened a connection (RFC 1413): one question, one answer. */

/** The question about a connection; the ports as the host that is asked sees them, its own first. */
export function identQuestion(theirPort: number, ourPort: number): Buffer {
  return Buffer.from(`${theirPort} , ${ourPort}\r\n`);
}

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const tab = 9;
const colon = 58;

/** An answer may tell so many bytes. */
const limit = 998;

/** Reads the answer, `ports : USERID : system : user`, in pieces of any size. */
export class IdentAnswer {
  #colons = 0;
  readonly #user: number[] = [];
  #complete: Buffer | undefined;

  /** What follows the third colon, once the line has ended. Blanks do not count. An error has no third colon. */
  get user(): Buffer | undefined {
    return this.#complete;
  }

  feed(piece: Uint8Array): void {
    for (const byte of piece) if (this.#complete === undefined) this.#take(byte);
  }

  #take(byte: number): void {
    if (byte === space || byte === tab || byte === carriageReturn) return;
    if (byte === lineFeed) this.#complete = Buffer.from(this.#user);
    else if (this.#colons < 3) this.#colons += byte === colon ? 1 : 0;
    else if (this.#user.push(byte) === limit) this.#complete = Buffer.from(this.#user);
  }
}
