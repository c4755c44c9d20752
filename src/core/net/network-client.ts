/** A client on a socket, for sessions of a server that stays: bounded buffers both ways, and a patience for each step. */
import type { ClientSocket, SocketUser } from "../sys/accept.ts";
import { Deadlines, type Waiting } from "../sys/deadlines.ts";
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

/** When the waiting of each client is over. */
const deadlines = new Deadlines();

const never = Number.POSITIVE_INFINITY;
const nothing: Buffer = Buffer.alloc(0);

export class NetworkClient implements Client, SocketUser, Waiting {
  /** When the present waiting is over. */
  until = never;
  slot: number | undefined;
  readonly #socket: ClientSocket;
  readonly #in: Buffer[] = [];
  #held = 0;
  #out: Buffer[] = [];
  #size = 0;
  #paused = false;
  #ended = false;
  #gone = false;
  #leaving = false;
  #draining = false;
  #lent = false;
  #milliseconds = 60_000;
  /** When the patience ends, and the bytes that came since it was renewed. */
  #patientUntil = 0;
  #credit = 0;
  #wake: ((changed: boolean) => void) | undefined;

  constructor(socket: ClientSocket) {
    this.#socket = socket;
  }

  setPatience(seconds: number): void {
    this.#milliseconds = seconds * 1000;
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

  read(busy = false): Buffer | Promise<Buffer> {
    const bytes = this.#size === 0 ? this.#in.shift() : undefined;
    return bytes === undefined ? this.#read(busy) : this.#taken(bytes);
  }

  async #read(busy: boolean): Promise<Buffer> {
    await this.flush();
    for (;;) {
      const bytes = this.#in.shift();
      if (bytes !== undefined) return this.#taken(bytes);
      if (this.#ended || this.#gone) throw new PeerGone();
      if (this.#draining && !busy) throw new PeerDraining();
      if (!(await this.#changed(this.#patientUntil))) throw new PeerTimeout();
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
    if (this.#gone) throw new PeerGone();
    this.#socket.pause();
    const { fd: descriptor } = this.#socket;
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
        this.#socket.resume();
        this.#paused = false;
      }
    }
  }

  write(bytes: Buffer): void | Promise<void> {
    this.#out.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= limit) return this.flush();
  }

  flush(): void | Promise<void> {
    if (this.#size === 0) return;
    const [first = nothing] = this.#out;
    const bytes = this.#out.length === 1 ? first : Buffer.concat(this.#out);
    this.#out = [];
    this.#size = 0;
    this.#renew();
    const rest = this.#send(bytes);
    if (rest.length > 0) return this.#sendAll(rest);
  }

  /** Returns what the kernel does not take now. */
  #send(bytes: Buffer): Buffer {
    const taken = this.#gone ? -1 : this.#socket.write(bytes);
    if (taken < 0) throw new PeerGone();
    return taken < bytes.length ? bytes.subarray(taken) : nothing;
  }

  async #sendAll(bytes: Buffer): Promise<void> {
    for (let rest = bytes; rest.length > 0; rest = this.#send(rest))
      if (!(await this.#changed(this.#patientUntil))) throw new PeerGone();
  }

  /** A session that is in the middle of nothing ends now, any other when it gets there. */
  drain(): void {
    this.#draining = true;
    this.#tell(true);
  }

  /** No more words from us; the client's own last ones are thrown away. */
  async close(): Promise<void> {
    this.#leaving = true;
    this.#in.length = 0;
    if (!this.#gone && !this.#ended) {
      if (this.#paused) this.#socket.resume();
      this.#socket.shutdown();
      for (const until = performance.now() + farewell; !(this.#gone || this.#ended); )
        if (!(await this.#changed(until))) break;
    }
    this.cut();
  }

  /** At once, also for whom the connection is lent to. */
  cut(): void {
    if (this.#gone) return;
    if (this.#lent) shutDown(this.#socket.fd);
    this.gone();
    this.#socket.close();
  }

  arrived(bytes: Buffer): void {
    if (this.#leaving) return;
    this.#in.push(bytes);
    this.#held += bytes.length;
    this.#credit += bytes.length;
    if (this.#credit >= (leastRate * this.#milliseconds) / 1000) this.#renew();
    if (this.#held >= limit && !this.#paused) {
      this.#socket.pause();
      this.#paused = true;
    }
    this.#tell(true);
  }

  ended(): void {
    this.#ended = true;
    this.#tell(true);
  }

  writable(): void {
    this.#tell(true);
  }

  gone(): void {
    this.#gone = true;
    deadlines.forget(this);
    this.#tell(true);
  }

  late(): void {
    this.#tell(false);
  }

  #taken(bytes: Buffer): Buffer {
    this.#held -= bytes.length;
    if (this.#paused && this.#held < limit) {
      this.#socket.resume();
      this.#paused = false;
    }
    return bytes;
  }

  /** The patience begins anew: the client got an answer, or sent enough. */
  #renew(): void {
    this.#patientUntil = performance.now() + this.#milliseconds;
    this.#credit = 0;
  }

  #tell(changed: boolean): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.(changed);
  }

  /** Waits until something changed; false: the time is over. */
  #changed(until: number): Promise<boolean> {
    this.until = until;
    deadlines.watch(this);
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
