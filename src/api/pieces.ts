/** Reading what callers give. */
import type { Bytes, Cancellation, Message } from "./message.ts";

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
      if (signal?.aborted === true) throw reasonOf(signal);
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
