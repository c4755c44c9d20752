/** Bytes and messages as callers give them. */

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

/** Bytes as a Buffer; those of an array are not copied. */
export function bufferOf(bytes: Bytes): Buffer {
  return typeof bytes === "string"
    ? Buffer.from(bytes)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The pieces of a message, none of them empty. Ends with the signal's reason as soon as it is aborted. */
export async function* piecesOf(message: Message, signal?: Cancellation): AsyncGenerator<Buffer, void> {
  const whole = typeof message === "string" || message instanceof Uint8Array;
  const cancelled = cancellationOf(signal);
  const source = iteratorOf(whole ? [message] : message);
  let ended = false;
  try {
    for (;;) {
      const next = await Promise.race([source.next(), cancelled.promise]);
      ended = next.done === true;
      if (next.done === true) return;
      const piece = bufferOf(next.value);
      if (piece.length > 0) yield piece;
    }
  } finally {
    cancelled.forget();
    // Who gave the message may wait for something that never comes: that it gives up is not waited for.
    if (!ended) Promise.resolve(source.return?.()).catch(() => {});
  }
}

type Source = Iterator<Bytes> | AsyncIterator<Bytes>;

function iteratorOf(source: Iterable<Bytes> | AsyncIterable<Bytes>): Source {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

/** A promise that is rejected when the signal is aborted, and the way to stop listening. */
function cancellationOf(signal: Cancellation | undefined): { promise: Promise<never>; forget: () => void } {
  let listener = () => {};
  const promise = new Promise<never>((_, reject) => {
    listener = () => reject(reasonOf(signal));
    if (signal?.aborted === true) listener();
    else signal?.addEventListener("abort", listener, { once: true });
  });
  promise.catch(() => {});
  return { promise, forget: () => signal?.removeEventListener("abort", listener) };
}

/** Why a signal was aborted. */
export const reasonOf = (signal: Cancellation | undefined): unknown =>
  signal?.reason ?? new Error("the operation was aborted");
