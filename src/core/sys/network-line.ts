/** Lines that never hold the process up: many deliveries at a time, each with buffers of bounded size. */
import { createSocket } from "node:dgram";
import { type Socket as NodeSocket, Socket as StreamSocket } from "node:net";
import { constants as os } from "node:os";
import { formatIp } from "../bytes/ip.ts";
import { isSystemError } from "../exit.ts";
import { connectFailure } from "./connect-failure.ts";
import { systemError } from "./libc.ts";
import type { Line } from "./line.ts";

/** So much is held before the partner has to wait, in bytes. */
const limit = 65536;

/** setTimeout(3) counts milliseconds in 31 bits. */
const longest = 2 ** 31 - 1;

/** How long the partner may take to close its side after our last word, in milliseconds. */
const farewell = 1000;

const milliseconds = (seconds: number): number => Math.min(Math.max(0, Math.ceil(seconds * 1000)), longest);

/** Something to wait for, for some time: what is awaited looks again whenever anything changed. */
class Change {
  #wake: (() => void) | undefined;

  tell(): void {
    this.#wake?.();
  }

  /** Waits until `done`; throws ETIMEDOUT. */
  async until(done: () => boolean, seconds: number, call: string): Promise<void> {
    if (done()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      resolve();
    }, milliseconds(seconds));
    this.#wake = () => {
      if (done()) resolve();
    };
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
    if (late && !done()) throw systemError(call, os.errno.ETIMEDOUT);
  }
}

/** A connection. */
export class StreamLine implements Line {
  readonly #socket: NodeSocket;
  readonly #change = new Change();
  readonly #in: Buffer[] = [];
  #held = 0;
  #ended = false;
  #trouble: Error | undefined;
  #disturbed: (() => void) | undefined;

  private constructor(socket: NodeSocket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#arrived(bytes));
    socket.on("end", () => this.#happened(() => (this.#ended = true)));
    socket.on("error", (failure: Error) => this.#happened(() => (this.#trouble ??= failure)));
    socket.on("close", () => this.#happened(() => (this.#ended = true)));
  }

  /** Connects, from an own address `from` if that matters. Throws ECONNREFUSED whatever kept it from that, but EMFILE and ETIMEDOUT where it is that. */
  static async connect(
    address: Uint8Array,
    port: number,
    seconds: number,
    from?: Uint8Array,
  ): Promise<StreamLine> {
    const socket = new StreamSocket({ allowHalfOpen: true });
    const line = new StreamLine(socket);
    const begun = performance.now();
    let connected = false;
    try {
      const own = from === undefined ? {} : { localAddress: formatIp(from) };
      socket.connect({ host: formatIp(address), port: port & 0xffff, ...own }, () =>
        line.#happened(() => (connected = true)),
      );
      await line.#change.until(() => connected || line.#over, seconds, "connect");
      if (!connected) throw connectFailure(performance.now() - begun);
      return line;
    } catch (failure) {
      socket.destroy();
      throw failure;
    }
  }

  async receive(buffer: Uint8Array, seconds: number): Promise<number> {
    await this.#change.until(() => this.#held > 0 || this.#over, seconds, "read");
    const first = this.#in[0];
    if (first === undefined) {
      if (this.#trouble !== undefined) throw lost(this.#trouble);
      return 0;
    }
    const length = Math.min(first.length, buffer.length);
    buffer.set(first.subarray(0, length));
    if (length === first.length) this.#in.shift();
    else this.#in[0] = first.subarray(length);
    this.#held -= length;
    if (this.#held < limit) this.#socket.resume();
    return length;
  }

  async send(bytes: Uint8Array, seconds: number): Promise<void> {
    let written = false;
    if (this.#trouble !== undefined || this.#socket.destroyed) throw lost(this.#trouble);
    this.#socket.write(bytes, (failure) =>
      this.#happened(() => {
        if (failure) this.#trouble ??= failure;
        written = true;
      }),
    );
    // What the kernel took at once is done at once: a long message must not keep the others waiting.
    if (bytes.length >= 4096) await new Promise<void>((resolve) => setImmediate(resolve));
    await this.#change.until(() => written || this.#trouble !== undefined, seconds, "write");
    if (this.#trouble !== undefined) throw lost(this.#trouble);
  }

  /** Whether the connection is open and nothing came that nobody asked for. */
  get quiet(): boolean {
    return this.#held === 0 && !this.#over && !this.#socket.destroyed;
  }

  /** Whom to tell when anything happens; undefined: nobody any more. */
  watch(disturbed: (() => void) | undefined): void {
    this.#disturbed = disturbed;
  }

  /** Says a last word and closes when the partner did, or soon. */
  leave(word: Uint8Array): void {
    if (this.#over) {
      this.close();
      return;
    }
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
    this.#socket.end(word);
    const timer = setTimeout(() => this.close(), farewell);
    this.watch(() => {
      if (!this.#over) return;
      clearTimeout(timer);
      this.close();
    });
  }

  close(): void {
    this.watch(undefined);
    this.#socket.destroy();
  }

  get #over(): boolean {
    return this.#ended || this.#trouble !== undefined;
  }

  #arrived(bytes: Buffer): void {
    this.#happened(() => {
      this.#in.push(bytes);
      this.#held += bytes.length;
      if (this.#held >= limit) this.#socket.pause();
    });
  }

  #happened(what: () => void): void {
    what();
    this.#change.tell();
    this.#disturbed?.();
  }
}

/** Whatever the runtime calls it: the connection does not work any more. */
const lost = (trouble: Error | undefined): Error =>
  isSystemError(trouble) ? trouble : systemError("connection", os.errno.ECONNRESET);

/** A datagram socket with a fixed partner; its own port is the kernel's random choice. */
class DatagramLine implements Line {
  readonly #socket;
  readonly #change = new Change();
  /** The last datagrams that nobody took yet. */
  readonly #in: Buffer[] = [];
  #trouble: Error | undefined;
  #closed = false;

  private constructor(size: number) {
    this.#socket = createSocket(size === 4 ? "udp4" : "udp6");
    this.#socket.on("error", (failure) => this.#happened(() => (this.#trouble ??= failure)));
    this.#socket.on("message", (message) => {
      if (this.#in.length < mostDatagrams) this.#happened(() => this.#in.push(message));
    });
  }

  static async connect(address: Uint8Array, port: number, seconds: number): Promise<DatagramLine> {
    const line = new DatagramLine(address.length);
    let connected = false;
    try {
      line.#socket.connect(port, formatIp(address), () => line.#happened(() => (connected = true)));
      await line.#change.until(() => connected || line.#trouble !== undefined, seconds, "connect");
      if (line.#trouble !== undefined) throw lost(line.#trouble);
      return line;
    } catch (failure) {
      line.close();
      throw failure;
    }
  }

  async receive(buffer: Uint8Array, seconds: number): Promise<number> {
    await this.#change.until(() => this.#in.length > 0 || this.#trouble !== undefined, seconds, "read");
    const message = this.#in.shift();
    if (message === undefined) throw lost(this.#trouble);
    const length = Math.min(message.length, buffer.length);
    buffer.set(message.subarray(0, length));
    return length;
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, (failure) => {
      if (failure) this.#happened(() => (this.#trouble ??= failure));
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #happened(what: () => void): void {
    what();
    this.#change.tell();
  }
}

const mostDatagrams = 16;

/** Opens a line of either kind. */
export function connectLine(
  kind: "stream" | "datagram",
  address: Uint8Array,
  port: number,
  seconds: number,
  from?: Uint8Array,
): Promise<Line> {
  return kind === "stream"
    ? StreamLine.connect(address, port, seconds, from)
    : DatagramLine.connect(address, port, seconds);
}
