/** Executing the queue program: the message on its descriptor 0, the envelope on 1, its own words on 6 (qmail-queue(8)). */
import { closeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { readSome, Writer } from "../sys/fd.ts";
import { qmailHome } from "../sys/home.ts";
import { pipe } from "../sys/libc.ts";
import { type Child, type Start, start } from "../sys/spawn.ts";
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
    const [messageRead, messageWrite] = pipe();
    const [envelopeRead, envelopeWrite] = pipe();
    const [customRead, customWrite] = pipe();
    this.#message = messageWrite;
    this.#envelope = envelopeWrite;
    this.#custom = customRead;
    this.#out = new Writer(messageWrite);
    try {
      this.#child = start({
        command: [program],
        descriptors: [messageRead, envelopeRead, 2, null, null, null, customWrite],
        directory: qmailHome(),
        ...(environment === undefined ? {} : { environment }),
      });
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
    }
    for (const fd of [messageRead, envelopeRead, customWrite]) closeSync(fd);
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
    const end = this.#child === undefined ? { code: 120 } : await this.#child.ended;
    const { pid } = this;
    if ("signal" in end) return { accepted: false, report: "Zqq crashed (#4.3.0)", pid };
    if (end.code === 0 && !this.#broken && this.#state === "envelope") return { accepted: true, pid };
    return { accepted: false, report: reportOf(end.code, text), pid };
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

const customLimit = 255;

/** What the program wrote to its descriptor 6. */
function readCustom(fd: number): Buffer {
  const text = Buffer.alloc(customLimit);
  let length = 0;
  for (let got = 1; got > 0 && length < customLimit; length += got) got = readSome(fd, text.subarray(length));
  return text.subarray(0, length);
}
