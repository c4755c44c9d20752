/**
 * Netstrings, `length:bytes,`: `import { encodeNetstring, NetstringDecoder } from "qmail-ts/netstring"`. They carry
 * mail in QMTP and QMQP, and requests between programs of one host.
 */
import { BadNetstring, NetstringReader, netstringEnd, netstringHead } from "../core/bytes/netstring.ts";
import type { Bytes } from "./message.ts";
import { bufferOf } from "./pieces.ts";

export type { Bytes };

/** What came is no netstring, or a longer one than may be. Nothing that comes after it can be understood. */
export class NetstringError extends Error {
  override readonly name = "NetstringError";
}

/** One netstring around all the pieces: `encodeNetstring("a", "bc")` is `3:abc,`. */
export function encodeNetstring(...pieces: readonly Bytes[]): Uint8Array {
  const content = pieces.map(bufferOf);
  const length = content.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([netstringHead(length), ...content, netstringEnd]);
}

/** The contents of netstrings that follow each other to the end of the bytes. @throws NetstringError */
export function decodeNetstrings(bytes: Uint8Array): Uint8Array[] {
  const decoder = new NetstringDecoder(bytes.length);
  const contents = decoder.push(bytes);
  decoder.end();
  return contents;
}

/** Cuts what arrives in pieces of any size into the contents of netstrings. Holds one content at most in memory. */
export class NetstringDecoder {
  readonly #reader: NetstringReader;
  readonly #limit: number;

  /** `limit`: bytes of a content at most. A longer one is refused as soon as its length is read. */
  constructor(limit: number) {
    this.#reader = new NetstringReader(limit);
    this.#limit = limit;
  }

  /** The contents that these bytes complete, in order; they are copies. @throws NetstringError */
  push(bytes: Uint8Array): Uint8Array[] {
    try {
      return [...this.#reader.feed(bytes)];
    } catch (cause) {
      if (!(cause instanceof BadNetstring)) throw cause;
      throw new NetstringError(`not a netstring, or one of more than ${this.#limit} bytes`, { cause });
    }
  }

  /** No more bytes will come. @throws NetstringError in the middle of a netstring */
  end(): void {
    if (!this.#reader.atBoundary) throw new NetstringError("the bytes end in the middle of a netstring");
  }
}
