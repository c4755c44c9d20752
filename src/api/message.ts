/** What callers give: bytes, messages and signals; and the failures that they have to expect. */

/** Bytes; of a string, those of its UTF-8. */
export type Bytes = Uint8Array | string;

/**
 * A message: all at once, or in pieces of any size, such as an array, a Node stream or a web stream. It is what goes
 * into the file: lines end with a line feed alone, and nothing is added to it or taken away.
 */
export type Message = Bytes | Iterable<Bytes> | AsyncIterable<Bytes>;

/** What an AbortSignal has: any will do. */
export interface Cancellation {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Why the mail system did not take something. */
export type Kind = "permanent" | "temporary";

/** A failure that a caller has to expect. `permanent`: it will fail again. `temporary`: try again later. */
export class QmailError extends Error {
  override readonly name: string = "QmailError";
  readonly kind: Kind;
  constructor(kind: Kind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}
