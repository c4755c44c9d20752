/** A client on a socket, for sessions of a server that stays: bounded buffers both ways, and a patience for each step. */
import type { Socket } from "node:net";
import { setBlocking, setNonBlocking, shutDown } from "../sys/libc.ts";
import { type Client, PeerDraining, PeerGone, PeerTimeout } from "../sys/peer.ts";

/** So much is held before the client has to wait, in bytes. */
const limit = 65536;

/** How long the client may take to close its side after our last word, in milliseconds. */
const farewell = 5000;

/**
 * Bytes a second that a client has to send on average while nobody answers it: one that dribbles would hold its place
 * for ever, since every byte came in time.
 */
const leastRate = 50;

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
  #lent = false;
  #milliseconds = 60_000;
  /** When the patience ends, as performance.now() counts; and the bytes that came since it was renewed. */
  #until = 0;
  #credit = 0;
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
    this.#renew();
  }

  /** Waits; false as soon as the client says anything. A server that ends waits no longer. */
  async isSilent(seconds: number): Promise<boolean> {
    for (const until = performance.now() + seconds * 1000; ; ) {
      if (this.#held > 0) return false;
      if (this.#ended || this.#gone) throw new PeerGone();
      if (this.#draining || !(await this.#changed(until))) return true;
    }
  }

  async read(busy = false): Promise<Buffer> {
    await this.flush();
    for (;;) {
      const bytes = this.#in.shift();
      if (bytes !== undefined) return this.#taken(bytes);
      if (this.#ended || this.#gone) throw new PeerGone();
      if (this.#draining && !busy) throw new PeerDraining();
      if (!(await this.#changed(this.#until))) throw new PeerTimeout();
    }
  }

  putBack(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#in.unshift(bytes);
    this.#held += bytes.length;
  }

  /**
   * Lends the connection to another process until `use` is done: as descriptors that wait, as programs expect, and
   * together with what came in already. Meanwhile nothing is read here.
   */
  async lend<Result>(use: (descriptor: number, arrived: Buffer) => Promise<Result>): Promise<Result> {
    const handle = handleOf(this.#socket);
    if (this.#gone || handle === undefined) throw new PeerGone();
    // The stream's own pause() would go on reading until its buffer is full.
    handle.pause();
    const { fd: descriptor } = handle;
    const arrived = Buffer.concat(this.#in.splice(0));
    this.#held = 0;
    setBlocking(descriptor);
    this.#lent = true;
    try {
      return await use(descriptor, arrived);
    } finally {
      this.#lent = false;
      if (!this.#gone) {
        setNonBlocking(descriptor);
        handle.resume();
      }
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
    this.#renew();
    while (!written) if (this.#gone || !(await this.#changed(this.#until))) throw new PeerGone();
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
      for (const until = performance.now() + farewell; !(this.#gone || this.#ended); )
        if (!(await this.#changed(until))) break;
    }
    this.cut();
  }

  /** At once, also for whom the connection is lent to. */
  cut(): void {
    const handle = handleOf(this.#socket);
    if (this.#lent && !this.#gone && handle !== undefined) shutDown(handle.fd);
    this.#change(() => {
      this.#gone = true;
    });
    this.#socket.destroy();
  }

  #arrived(bytes: Buffer): void {
    this.#change(() => {
      this.#in.push(bytes);
      this.#held += bytes.length;
      this.#credit += bytes.length;
      if (this.#credit >= (leastRate * this.#milliseconds) / 1000) this.#renew();
      if (this.#held >= limit) this.#socket.pause();
    });
  }

  #taken(bytes: Buffer): Buffer {
    this.#held -= bytes.length;
    if (this.#held < limit) this.#socket.resume();
    return bytes;
  }

  /** The patience begins anew: the client got an answer, or sent enough. */
  #renew(): void {
    this.#until = performance.now() + this.#milliseconds;
    this.#credit = 0;
  }

  #change(what: () => void): void {
    what();
    this.#wake?.();
  }

  /** Waits until something changed; false: the time is over. */
  async #changed(until: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), Math.max(0, until - performance.now()));
    this.#wake = () => resolve(true);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }
}

/** What is behind a socket: the runtime has it, and no type for it. */
interface Handle {
  fd: number;
  pause: () => void;
  resume: () => void;
}

function handleOf(socket: Socket): Handle | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: Handle | null };
  return handle !== undefined && handle !== null && handle.fd >= 0 ? handle : undefined;
}
