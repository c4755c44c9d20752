/** Executing the queue program: the message on its descriptor 0, the envelope on 1, its own words on 6 (qmail-queue(8)). */
import { closeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { readSome, Writer } from "../sys/fd.ts";
import { qmailHome } from "../sys/home.ts";
import { pipe } from "../sys/libc.ts";
import { type Child, type End, type Start, start } from "../sys/spawn.ts";
import { reportOf, type Verdict } from "./verdict.ts";

/** A queue program at work. Write the message, then the envelope, then close. */
export class QueueProgram {
  readonly #child: Child | undefined;
  readonly #message: number;
  readonly #envelope: number;
  #out: Writer;
  readonly #custom: number;
  #state: "message" | "envelope" | "abandoned" = "message";
  #broken = false;

  /**
   * Starts the program, with our environment or the given one. A program that cannot be started shows in the verdict.
   */
  constructor(program: string, environment?: Start["environment"]) {
    const { child, message, envelope, custom } = startQueueProgram(program, environment);
    this.#child = child;
    this.#message = message;
    this.#envelope = envelope;
    this.#custom = custom;
    this.#out = new Writer(message);
  }

  /** Number of the queue program's process, the `qp` of the log; 0 if it could not be started. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** More of the message. */
  message(bytes: Uint8Array): void {
    this.#write(bytes);
  }

  /** Ends the message and names the sender. */
  from(sender: Uint8Array): void {
    this.#endMessage();
    this.#write(Buffer.concat([Buffer.from("F"), sender, Buffer.of(0)]));
  }

  /** One more recipient; after from(). */
  to(recipient: Uint8Array): void {
    this.#write(Buffer.concat([Buffer.from("T"), recipient, Buffer.of(0)]));
  }

  /** Gives the message up: the queue program meets an incomplete envelope and keeps nothing. */
  abandon(): void {
    this.#endMessage();
    this.#state = "abandoned";
  }

  /** Ends the envelope (if not abandoned) and waits for the verdict. */
  async close(): Promise<Verdict> {
    this.#endMessage();
    if (this.#state === "envelope") this.#write(Buffer.of(0));
    this.#tell(() => this.#out.flush());
    closeSync(this.#envelope);
    const text = this.#child === undefined ? Buffer.alloc(0) : readCustom(this.#custom);
    closeSync(this.#custom);
    const end = (await this.#child?.ended) ?? notStarted;
    return verdictOf(end, { text, pid: this.pid, complete: !this.#broken && this.#state === "envelope" });
  }

  #endMessage(): void {
    if (this.#state !== "message") return;
    this.#tell(() => this.#out.flush());
    this.#out = new Writer(this.#envelope);
    closeSync(this.#message);
    this.#state = "envelope";
  }

  #write(bytes: Uint8Array): void {
    this.#tell(() => this.#out.write(bytes));
  }

  /** A queue program that reads no more has decided: its exit code tells, and writing on is pointless. */
  #tell(send: () => void): void {
    if (this.#broken || this.#child === undefined) return;
    try {
      send();
    } catch (failure) {
      if (!isSystemError(failure, "EPIPE")) throw failure;
      this.#broken = true;
    }
  }
}

/** A queue program and our ends of its pipes; without `child` it could not be started. */
export interface Started {
  child: Child | undefined;
  message: number;
  envelope: number;
  custom: number;
}

/** Starts the program with its pipes. Throws where there is no descriptor for them. */
export function startQueueProgram(program: string, environment: Start["environment"]): Started {
  const [[messageRead, message], [envelopeRead, envelope], [custom, customWrite]] = threePipes();
  let child: Child | undefined;
  try {
    child = start({
      command: [program],
      descriptors: [messageRead, envelopeRead, 2, null, null, null, customWrite],
      directory: qmailHome(),
      ...(environment === undefined ? {} : { environment }),
    });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
  for (const fd of [messageRead, envelopeRead, customWrite]) closeSync(fd);
  return { child, message, envelope, custom };
}

/** All, or none. */
function threePipes(): [Pipe, Pipe, Pipe] {
  const pipes: Pipe[] = [];
  try {
    pipes.push(pipe());
    pipes.push(pipe());
    return [...(pipes as [Pipe, Pipe]), pipe()];
  } catch (failure) {
    for (const fd of pipes.flat()) closeSync(fd);
    throw failure;
  }
}

type Pipe = ReturnType<typeof pipe>;

/** How a program ends that could not be started. */
export const notStarted: End = { code: 120 };

/** What is known of a program that has ended. */
export interface Ended {
  /** What it wrote to its descriptor 6. */
  text: Buffer;
  pid: number;
  /** Whether it was given the message and the whole envelope, and took them. */
  complete: boolean;
}

export function verdictOf(end: End, { text, pid, complete }: Ended): Verdict {
  if ("signal" in end) return { accepted: false, report: "Zqq crashed (#4.3.0)", pid };
  if (end.code === 0 && complete) return { accepted: true, pid };
  return { accepted: false, report: reportOf(end.code, text), pid };
}

/** So much of what it writes to descriptor 6 counts, in bytes. */
export const customLimit = 255;

/** What the program wrote to its descriptor 6. */
function readCustom(fd: number): Buffer {
  const text = Buffer.alloc(customLimit);
  let length = 0;
  for (let got = 1; got > 0 && length < customLimit; length += got) got = readSome(fd, text.subarray(length));
  return text.subarray(0, length);
}
