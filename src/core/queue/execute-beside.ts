/** Executing the queue program beside other work: as execute.ts, but nobody else waits for what the program does. */
import { closeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { readSome } from "../sys/fd.ts";
import { waitFor } from "../sys/libc.ts";
import { Outlet } from "../sys/outlet.ts";
import type { Child, End, Start } from "../sys/spawn.ts";
import { customLimit, notStarted, startQueueProgram, verdictOf } from "./execute.ts";
import type { Verdict } from "./verdict.ts";

/** So much is written at once, in bytes. */
const chunk = 65536;

/** How often a program at work is asked what it has to say, in milliseconds: with a full pipe it would never end. */
const interval = 250;

/**
 * A queue program at work. What it is given it gets in that order; each promise resolves when those bytes, and all before,
 * are kept or written, so that who awaits them holds no more than one piece.
 */
export class QueueProgramBeside {
  readonly #child: Child | undefined;
  readonly #custom: number;
  readonly #message: Outlet;
  readonly #envelope: Outlet;
  #out: Outlet;
  readonly #kept = Buffer.allocUnsafeSlow(chunk);
  #size = 0;
  #last: Promise<void> = Promise.resolve();
  #state: "message" | "envelope" | "abandoned" = "message";
  #broken = false;

  /** As of QueueProgram. */
  constructor(program: string, environment: Start["environment"]) {
    const { child, message, envelope, custom } = startQueueProgram(program, environment);
    this.#child = child;
    this.#message = new Outlet(message);
    this.#envelope = new Outlet(envelope);
    this.#custom = custom;
    this.#out = this.#message;
  }

  message(bytes: Uint8Array): Promise<void> {
    return this.#then(() => this.#write(bytes));
  }

  from(sender: Uint8Array): Promise<void> {
    this.#endMessage();
    return this.#then(() => this.#write(Buffer.concat([Buffer.from("F"), sender, Buffer.of(0)])));
  }

  to(recipient: Uint8Array): Promise<void> {
    return this.#then(() => this.#write(Buffer.concat([Buffer.from("T"), recipient, Buffer.of(0)])));
  }

  abandon(): void {
    this.#endMessage();
    this.#state = "abandoned";
  }

  async close(): Promise<Verdict> {
    this.#endMessage();
    const complete = this.#state === "envelope";
    this.#then(async () => {
      if (complete) await this.#write(Buffer.of(0));
      await this.#flush();
      await this.#tell(() => this.#envelope.close());
    });
    const [end, text] = await this.#ended();
    await this.#last;
    return verdictOf(end, { text, pid: this.#child?.pid ?? 0, complete: complete && !this.#broken });
  }

  /** How the program ended, and what it wrote to its descriptor 6. */
  async #ended(): Promise<[End, Buffer]> {
    const words = new Words(this.#custom);
    const timer = setInterval(() => words.listen(), interval);
    try {
      const end = (await this.#child?.ended) ?? notStarted;
      words.listen();
      return [end, words.text];
    } finally {
      clearInterval(timer);
      words.close();
    }
  }

  #then(step: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(step);
    return this.#last;
  }

  #endMessage(): void {
    if (this.#state !== "message") return;
    this.#state = "envelope";
    this.#then(async () => {
      await this.#flush();
      await this.#tell(() => this.#message.close());
      this.#out = this.#envelope;
    });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; ) {
      const piece = bytes.subarray(offset, offset + chunk - this.#size);
      this.#kept.set(piece, this.#size);
      this.#size += piece.length;
      offset += piece.length;
      if (this.#size === chunk) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const bytes = this.#kept.subarray(0, this.#size);
    this.#size = 0;
    if (!this.#broken) await this.#tell(() => this.#out.write(bytes));
  }

  /** A queue program that reads no more has decided: its exit code tells, and writing on is pointless. */
  async #tell(send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#broken = true;
    }
  }
}

/** What a program says on its descriptor 6. After as much as counts nobody listens. */
class Words {
  #fd: number | undefined;
  text = Buffer.alloc(0);

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes what is there. */
  listen(): void {
    if (this.#fd === undefined || !waitFor(this.#fd, "read", 0)) return;
    const piece = Buffer.alloc(customLimit - this.text.length);
    this.text = Buffer.concat([this.text, piece.subarray(0, readSome(this.#fd, piece))]);
    if (this.text.length === customLimit) this.close();
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
