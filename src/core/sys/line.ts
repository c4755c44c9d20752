/**
 * A way to another host, as deliveries use it. A one-shot program's calls wait (socket.ts); those of a program with many
 * deliveries are promises (network-line.ts).
 */

/** A connection, or a datagram socket with a fixed partner. Calls throw system errors, ETIMEDOUT where the time is over. */
export interface Line {
  /** Some bytes that arrived, at the beginning of the buffer; 0: the partner ended. */
  receive(buffer: Uint8Array, seconds: number): number | Promise<number>;
  /** Sends all bytes. They may be changed again when it is done. */
  send(bytes: Uint8Array, seconds: number): void | Promise<void>;
  close(): void;
}

/** Opens a line, from an own address `from` if that matters; `seconds` is the longest wait. */
export type Connect<Kind extends Line = Line> = (
  kind: "stream" | "datagram",
  address: Uint8Array,
  port: number,
  seconds: number,
  from?: Uint8Array,
) => Kind | Promise<Kind>;
