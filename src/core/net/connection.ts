/** A connection with a patience: whatever goes wrong with it is one and the same to a delivery. */
import { isSystemError } from "../exit.ts";
import type { Line } from "../sys/line.ts";

/** The connection ended, failed, or nothing moved for too long. */
export class Dropped extends Error {}

const chunk = 4096;

export class Connection {
  readonly #socket: Line;
  /** Seconds that may pass each time without progress. */
  patience: number;
  readonly #input = Buffer.allocUnsafe(chunk);

  constructor(socket: Line, patience: number) {
    this.#socket = socket;
    this.patience = patience;
  }

  /** What arrived, at least one byte; valid until the next call. Throws Dropped. */
  async receive(): Promise<Uint8Array> {
    const length = await orDropped(() => this.#socket.receive(this.#input, this.patience));
    if (length === 0) throw new Dropped("end of connection");
    return this.#input.subarray(0, length);
  }

  /** Throws Dropped. */
  async send(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await orDropped(() => this.#socket.send(bytes, this.patience));
  }
}

async function orDropped<T>(operation: () => T | Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (failure) {
    throw isSystemError(failure) ? new Dropped(failure.message) : failure;
  }
}
