/** Netstrings, `length:bytes,`, between programs of one host that hold each whole in memory. */

/** What arrived is no netstring, or a longer one than may be. */
export class BadNetstring extends Error {}

const colon = 58;
const comma = 44;
const zero = 48;

/** Digits of a length at most. */
const mostDigits = 10;

/** What stands in front of so many bytes; behind them stands a comma. */
export const netstringHead = (length: number): Buffer => Buffer.from(`${length}:`);

export const netstringEnd: Buffer = Buffer.of(comma);

/** Cuts what arrives into the contents of netstrings. */
export class NetstringReader {
  readonly #limit: number;
  #digits = "";
  /** Bytes of the content that are still to come, and its comma; undefined: the length is being read. */
  #missing: number | undefined;
  #pieces: Buffer[] = [];

  /** `limit`: bytes of a content at most. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether nothing has come of the next one. */
  get atBoundary(): boolean {
    return this.#digits === "" && this.#missing === undefined;
  }

  /** The contents that these bytes complete; they are copies. Throws BadNetstring. */
  *feed(bytes: Uint8Array): Generator<Buffer> {
    const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let position = 0; position < input.length; ) {
      if (this.#missing === undefined) {
        this.#lengthByte(input[position++] ?? 0);
        continue;
      }
      const piece = input.subarray(position, position + this.#missing);
      position += piece.length;
      this.#missing -= piece.length;
      this.#pieces.push(Buffer.from(piece));
      if (this.#missing === 0) yield this.#complete();
    }
  }

  #lengthByte(byte: number): void {
    const isDigit = byte >= zero && byte <= zero + 9;
    if (isDigit && this.#digits.length < mostDigits) {
      this.#digits += String.fromCharCode(byte);
      return;
    }
    const length = Number(this.#digits);
    if (byte !== colon || this.#digits === "" || length > this.#limit) throw new BadNetstring();
    this.#missing = length + 1;
  }

  #complete(): Buffer {
    const content = Buffer.concat(this.#pieces);
    if (content[content.length - 1] !== comma) throw new BadNetstring();
    this.#pieces = [];
    this.#digits = "";
    this.#missing = undefined;
    return content.subarray(0, -1);
  }
}

/** The contents of netstrings that follow each other to the end of the bytes. Throws BadNetstring. */
export function netstringsIn(bytes: Buffer): Buffer[] {
  const contents: Buffer[] = [];
  for (let position = 0; position < bytes.length; ) {
    const end = bytes.indexOf(colon, position);
    const digits =
      end < 0 ? "" : bytes.toString("latin1", position, Math.min(end, position + mostDigits + 1));
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : Number.NaN;
    if (bytes[end + 1 + length] !== comma) throw new BadNetstring();
    contents.push(bytes.subarray(end + 1, end + 1 + length));
    position = end + length + 2;
  }
  return contents;
}
