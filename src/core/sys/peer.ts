/** The other side of a one-shot server: a client on descriptors 0 and 1, and no patience without end. */
import { writeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { readSome } from "./fd.ts";
import { waitFor } from "./libc.ts";

/** The client sent nothing for too long. */
export class PeerTimeout extends Error {}

/** The client is gone, or takes nothing any more: there is nobody to tell. */
export class PeerGone extends Error {}

/** This server ends, and the client is in the middle of nothing. */
export class PeerDraining extends Error {}

/** The client of a session, wherever it is. */
export interface Client {
  /** How many seconds one read or write may take from now on. */
  setPatience(seconds: number): void;
  /** What the client sent, valid until the next call; `busy`: it is in the middle of something. Throws PeerTimeout and the like. */
  read(busy?: boolean): Buffer | Promise<Buffer>;
  write(bytes: Buffer): void | Promise<void>;
  flush(): void | Promise<void>;
  /** Takes back what was read too much; absent where nothing is read ahead. */
  putBack?(bytes: Buffer): void;
}

const input = 0;
const output = 1;
const chunk = 65536;

/** A pipe or socket that poll(2) says can be written to takes this much without blocking. */
const atOnce = 4096;

/** poll(2) counts milliseconds in 32 bits. */
const longest = 2147483;

/** What not every server needs. */
export interface PeerLimits {
  /** When the session ends, whatever happens (as performance.now() counts). */
  deadline?: number;
  /** How many bytes one read takes: few where another program is to read what follows. */
  most?: number;
}

/** Buffered writing to a client; and reading, which always writes first. Every method may throw PeerGone. */
export class Peer implements Client {
  #milliseconds: number;
  readonly #deadline: number;
  readonly #in: Buffer;
  #out: Buffer[] = [];
  #size = 0;

  /** @param seconds how long one read or write may take */
  constructor(seconds: number, { deadline = Number.POSITIVE_INFINITY, most = chunk }: PeerLimits = {}) {
    this.#milliseconds = Math.min(seconds, longest) * 1000;
    this.#deadline = deadline;
    this.#in = Buffer.allocUnsafeSlow(most);
  }

  setPatience(seconds: number): void {
    this.#milliseconds = Math.min(seconds, longest) * 1000;
  }

  /** What the client sent, valid until the next call. Throws PeerTimeout; at the end of the input, PeerGone. */
  read(): Buffer {
    this.flush();
    if (!waitFor(input, "read", this.#patience())) throw new PeerTimeout();
    const length = presence(() => readSome(input, this.#in));
    if (length === 0) throw new PeerGone();
    return this.#in.subarray(0, length);
  }

  /** Adds to what is to be written. */
  write(bytes: Buffer): void {
    this.#out.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= chunk) this.flush();
  }

  flush(): void {
    const bytes = Buffer.concat(this.#out);
    this.#out = [];
    this.#size = 0;
    for (let offset = 0; offset < bytes.length; ) offset += this.#writeSome(bytes.subarray(offset));
  }

  #patience(): number {
    return Math.max(0, Math.min(this.#milliseconds, this.#deadline - performance.now()));
  }

  #writeSome(bytes: Buffer): number {
    if (!waitFor(output, "write", this.#patience())) throw new PeerGone();
    return presence(() => {
      try {
        return writeSync(output, bytes, 0, Math.min(bytes.length, atOnce));
      } catch (failure) {
        if (isSystemError(failure, "EAGAIN") || isSystemError(failure, "EINTR")) return 0;
        throw failure;
      }
    });
  }
}

/** A failure to read or write means that the client is gone. */
function presence(work: () => number): number {
  try {
    return work();
  } catch (failure) {
    if (isSystemError(failure)) throw new PeerGone(failure.code);
    throw failure;
  }
}
