/**
 * Connections that never hold the process up, for who has many: on the runtime's own sockets, which take half the time
 * of node:net's.
 */
import { constants as os } from "node:os";
import { formatIp } from "../bytes/ip.ts";
import { connectFailure } from "./connect-failure.ts";
import { Deadlines, type Waiting } from "./deadlines.ts";
import { systemError } from "./libc.ts";
import type { Line } from "./line.ts";

/** So much is held before the partner has to wait, in bytes. */
const limit = 65536;

/** How long the partner may take to close its side after our last word, in seconds. */
const farewell = 1;

/** Whoever sends more than this at once lets others have a turn, in bytes. */
const long = 4096;

type Socket = Bun.Socket<StreamLine>;

/** Waits for connections: hardly ever in vain. */
const deadlines = new Deadlines();

export class StreamLine implements Line, Waiting {
  /** When the wait under way, if there is one, is over; see Deadlines. */
  until = Number.POSITIVE_INFINITY;
  slot: number | undefined;
  #socket: Socket | undefined;
  readonly #in: Buffer[] = [];
  #held = 0;
  #over = false;
  /** The connection works no more. */
  #lost = false;
  /** Our side is closed, or nobody wants the connection any more. */
  #closed = false;
  #writable = true;
  /** Who waits for something to change, and what to do when that takes too long; whom else it is told. */
  #wake: (() => void) | undefined;
  #giveUp: (() => void) | undefined;
  #disturbed: (() => void) | undefined;

  static readonly #events: Bun.SocketHandler<StreamLine> = {
    open: (socket) => socket.data.#opened(socket),
    data: ({ data: line }, bytes) => line.#arrived(bytes),
    drain: ({ data: line }) => {
      line.#writable = true;
      line.#changed();
    },
    end: ({ data: line }) => line.#ended(),
    close: ({ data: line }) => line.#lose(),
    error: ({ data: line }) => line.#lose(),
    connectError: ({ data: line }) => line.#lose(),
  };

  /** Connects. Throws ECONNREFUSED whatever kept it from that, but EMFILE and ETIMEDOUT where it is that. */
  static async connect(address: Uint8Array, port: number, seconds: number): Promise<StreamLine> {
    const line = new StreamLine();
    const begun = performance.now();
    const place = { hostname: formatIp(address), port: port & 0xffff, allowHalfOpen: true };
    // What comes of the socket is told to the line; of what failed before there was one, only the promise knows.
    Bun.connect({ ...place, data: line, socket: StreamLine.#events }).catch(() => {
      if (line.#socket === undefined) line.#lose();
    });
    try {
      await line.#until(() => line.#socket !== undefined || line.#lost, seconds, "connect");
      if (line.#lost) throw connectFailure(performance.now() - begun);
      return line;
    } catch (failure) {
      line.close();
      throw failure;
    }
  }

  receive(buffer: Uint8Array, seconds: number): number | Promise<number> {
    if (this.#held > 0) return this.#taken(buffer);
    return this.#until(() => this.#held > 0 || this.#over, seconds, "read").then(() => this.#taken(buffer));
  }

  send(bytes: Uint8Array, seconds: number): void | Promise<void> {
    const written = this.#write(bytes);
    if (written < bytes.length || bytes.length >= long) return this.#sendOn(bytes.subarray(written), seconds);
  }

  /** Whether the connection is open and nothing came that nobody asked for. */
  get quiet(): boolean {
    return this.#held === 0 && !this.#over && !this.#closed;
  }

  /** Whom to tell when anything happens; undefined: nobody any more. */
  watch(disturbed: (() => void) | undefined): void {
    this.#disturbed = disturbed;
  }

  /** Says a last word and closes when the partner did, or soon. */
  leave(word: Uint8Array): void {
    const said = !this.#over && this.#socket?.write(word) === word.length;
    if (!said) {
      this.close();
      return;
    }
    this.#forget();
    this.#patience(farewell, () => this.close());
    this.watch(() => {
      if (this.#over) this.close();
      else this.#forget();
    });
  }

  /** See Deadlines. */
  late(): void {
    this.#giveUp?.();
  }

  close(): void {
    this.watch(undefined);
    this.#giveUp = undefined;
    deadlines.forget(this);
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.end();
  }

  #opened(socket: Socket): void {
    // Whoever wanted it may have given up.
    if (this.#closed) {
      socket.terminate();
      return;
    }
    this.#socket = socket;
    this.#changed();
  }

  #ended(): void {
    this.#over = true;
    this.#changed();
  }

  #lose(): void {
    this.#lost = true;
    this.#ended();
  }

  #arrived(bytes: Buffer): void {
    this.#in.push(bytes);
    this.#held += bytes.length;
    if (this.#held >= limit) this.#socket?.pause();
    this.#changed();
  }

  #taken(buffer: Uint8Array): number {
    const first = this.#in[0];
    if (first === undefined) {
      if (this.#lost) throw systemError("connection", os.errno.ECONNRESET);
      return 0;
    }
    const length = Math.min(first.length, buffer.length);
    buffer.set(length === first.length ? first : first.subarray(0, length));
    if (length === first.length) this.#in.shift();
    else this.#in[0] = first.subarray(length);
    const before = this.#held;
    this.#held -= length;
    if (before >= limit && this.#held < limit) this.#socket?.resume();
    return length;
  }

  /** What nobody will read. */
  #forget(): void {
    this.#in.length = 0;
    if (this.#held >= limit) this.#socket?.resume();
    this.#held = 0;
  }

  /** How many bytes the kernel took. */
  #write(bytes: Uint8Array): number {
    const written = this.#lost || this.#closed ? -1 : (this.#socket?.write(bytes) ?? -1);
    if (written < 0) throw systemError("connection", os.errno.ECONNRESET);
    this.#writable = written === bytes.length;
    return written;
  }

  async #sendOn(bytes: Uint8Array, seconds: number): Promise<void> {
    // A long message must not keep the others waiting.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let rest = bytes; rest.length > 0; rest = rest.subarray(this.#write(rest)))
      await this.#until(() => this.#writable || this.#lost, seconds, "write");
  }

  #changed(): void {
    this.#wake?.();
    this.#disturbed?.();
  }

  /** Waits until `done`, for one thing at a time; throws ETIMEDOUT. */
  #until(done: () => boolean, seconds: number, call: string): Promise<void> {
    if (done()) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const over = (end: () => void) => {
      this.#wake = undefined;
      this.#giveUp = undefined;
      end();
    };
    this.#patience(seconds, () => over(() => reject(systemError(call, os.errno.ETIMEDOUT))));
    this.#wake = () => {
      if (done()) over(resolve);
    };
    return promise;
  }

  #patience(seconds: number, giveUp: () => void): void {
    this.#giveUp = giveUp;
    this.until = performance.now() + seconds * 1000;
    deadlines.watch(this);
  }
}
