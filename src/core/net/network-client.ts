/** A client on a socket, for sessions of a server that stays: bounded buffers both ways, and a patience for each step. */
import type { Socket } from "node:net";
import { type Client, PeerDraining, PeerGone, PeerTimeout } from "../sys/peer.ts";

/** So much is held before the client has to wait, in bytes. */
const limit = 65536;

/** How long the client may take to close its side after our last word, in milliseconds. */
const farewell = 5000;

/** setTimeout(3) counts milliseconds in 31 bits. */
const longest = 2147483;

export class NetworkClient implements Client {
  readonly #socket: Socket;
  readonly #in: Buffer[] = [];
  #held = 0;
  #out: Buffer[] = [];
  #size = 0;
  #ended = false;
  #gone = false;
  #draining = false;
  #milliseconds = 60_000;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#arrived(bytes));
    socket.on("end", () => this.#change(() => (this.#ended = true)));
    socket.on("error", () => this.#change(() => (this.#gone = true)));
    socket.on("close", () => this.#change(() => (this.#gone = true)));
  }

  setPatience(seconds: number): void {
    this.#milliseconds = Math.min(seconds, longest) * 1000;
  }

  async read(busy = false): Promise<Buffer> {
    await this.flush();
    const until = Date.now() + this.#milliseconds;
    for (;;) {
      const bytes = this.#in.shift();
      if (bytes !== undefined) return this.#taken(bytes);
      if (this.#ended || this.#gone) throw new PeerGone();
      if (this.#draining && !busy) throw new PeerDraining();
      if (!(await this.#changed(until))) throw new PeerTimeout();
    }
  }

  async write(bytes: Buffer): Promise<void> {
    this.#out.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= limit) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#size === 0) return;
    const bytes = Buffer.concat(this.#out);
    this.#out = [];
    this.#size = 0;
    let written = false;
    if (this.#gone) throw new PeerGone();
    this.#socket.write(bytes, () => this.#change(() => (written = true)));
    for (const until = Date.now() + this.#milliseconds; !written; ) {
      if (this.#gone || !(await this.#changed(until))) throw new PeerGone();
    }
  }

  /** A session that is in the middle of nothing ends now, any other when it gets there. */
  drain(): void {
    this.#change(() => (this.#draining = true));
  }

  /** No more words from us; the client's own last ones are thrown away. */
  async close(): Promise<void> {
    this.#in.length = 0;
    this.#socket.removeAllListeners("data");
    if (!this.#gone) {
      this.#socket.end();
      this.#socket.resume();
      for (const until = Date.now() + farewell; !(this.#gone || this.#ended); )
        if (!(await this.#changed(until))) break;
    }
    this.cut();
  }

  /** At once. */
  cut(): void {
    this.#change(() => {
      this.#gone = true;
    });
    this.#socket.destroy();
  }

  #arrived(bytes: Buffer): void {
    this.#change(() => {
      this.#in.push(bytes);
      this.#held += bytes.length;
      if (this.#held >= limit) this.#socket.pause();
    });
  }

  #taken(bytes: Buffer): Buffer {
    this.#held -= bytes.length;
    if (this.#held < limit) this.#socket.resume();
    return bytes;
  }

  #change(what: () => void): void {
    what();
    this.#wake?.();
  }

  /** Waits until something changed; false: the time is over. */
  async #changed(until: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), Math.max(0, until - Date.now()));
    this.#wake = () => resolve(true);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }
}
