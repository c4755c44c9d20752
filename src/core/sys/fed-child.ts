/**
 * A program that reads a message from descriptor 0 and an envelope from descriptor 1, and may write words to descriptor
 * 6: a queue program (qmail-queue(8)), run beside everything else that this process does. Works in any runtime.
 *
 * All three are sockets that close with this process: where it dies in the middle of a message, the envelope does not
 * come, and the program keeps nothing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";

/** How it ended: the exit code, or the signal that killed it; and its words. */
export interface Outcome {
  code: number | null;
  signal: string | null;
  words: Buffer;
}

/** How to start one. */
export interface FedStart {
  program: string;
  directory: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/** A runtime gives a child nothing to read on descriptor 1: sh moves what comes on 3 there, and becomes the program. */
const script = 'exec "$0" 1<&3 3<&-';

/** Exit codes of sh where it could not execute the program. */
const notExecuted: ReadonlySet<number | null> = new Set([126, 127]);

/** What a queue program's client says where the program can not be executed. */
export const unableToExecute = 120;

/** More words than this are not kept. */
const wordsLimit = 255;

/** The child. Write the message, then end it with the envelope or without. */
export class FedChild {
  readonly #child: ChildProcess;
  readonly #message: Duplex | undefined;
  readonly #envelope: Duplex | undefined;
  readonly #outcome: Promise<Outcome>;
  #over = false;

  constructor({ program, directory, environment }: FedStart) {
    this.#child = spawn("/bin/sh", ["-c", script, program], {
      cwd: directory,
      env: environment,
      stdio: ["pipe", "ignore", "inherit", "pipe", "ignore", "ignore", "pipe"],
    });
    // What was asked for as pipes are sockets, in both directions; there are none where the child could not be started.
    const stdio = this.#child.stdio as readonly (Duplex | null | undefined)[] | undefined;
    const [message, envelope, words] = [stdio?.[0], stdio?.[3], stdio?.[6]];
    // Who reads no more has decided: the exit code tells.
    for (const stream of [message, envelope, words]) stream?.on("error", () => {});
    this.#message = message ?? undefined;
    this.#envelope = envelope ?? undefined;
    this.#outcome = this.#ended(wordsOf(words ?? undefined));
  }

  /** Its process number; 0 if it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Whether it has ended or reads no more of the message: writing on is pointless. */
  get isOver(): boolean {
    return this.#over || this.#message === undefined || this.#message.destroyed;
  }

  /** More of the message. The promise is kept when it is written, or the child reads no more. */
  async message(bytes: Uint8Array): Promise<void> {
    if (this.isOver) return;
    const written = new Promise<void>((resolve) => this.#message?.write(bytes, () => resolve()));
    await Promise.race([written, this.#outcome]);
  }

  /** Ends the message and sends the envelope, or nothing of one; waits for the child. */
  async end(envelope: Uint8Array = new Uint8Array()): Promise<Outcome> {
    this.#message?.end(() => this.#envelope?.end(envelope));
    return await this.#outcome;
  }

  async #ended(words: Promise<Buffer>): Promise<Outcome> {
    const end = await new Promise<Omit<Outcome, "words">>((resolve) => {
      this.#child.on("error", () => resolve({ code: unableToExecute, signal: null }));
      this.#child.on("exit", (code, signal) =>
        resolve({ code: notExecuted.has(code) ? unableToExecute : code, signal }),
      );
    });
    this.#over = true;
    this.#message?.destroy();
    this.#envelope?.destroy();
    return { ...end, words: await words };
  }
}

/** What the child writes to its descriptor 6 until that is closed. */
async function wordsOf(stream: Duplex | undefined): Promise<Buffer> {
  let words: Buffer = Buffer.alloc(0);
  if (stream === undefined) return words;
  await new Promise<void>((resolve) => {
    stream.on("data", (piece: Buffer) => {
      if (words.length < wordsLimit) words = Buffer.concat([words, piece]).subarray(0, wordsLimit);
    });
    stream.on("close", resolve);
    stream.on("end", () => stream.destroy());
  });
  return words;
}
