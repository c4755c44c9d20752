/**
 * The client of qmail-queue: gives it a message and an envelope, and says what came of it. The program is
 * bin/qmail-queue, or $QMAILQUEUE.
 *
 * Where bin/qmail-queue is this very executable and would run as this very user, starting it would change nothing but
 * the time it takes. A message that fits into memory is then taken in by this process; a larger one goes to a
 * qmail-queue as soon as that shows. Nothing is in the queue's directories while more of the message is awaited, so
 * that a caller who is killed leaves nothing behind.
 */
import { statSync } from "node:fs";
import { Exit, isSystemError } from "../exit.ts";
import { isThisExecutable } from "../sys/exec.ts";
import { idsAreReal, inHome } from "../sys/home.ts";
import type { Start } from "../sys/spawn.ts";
import { queueExit } from "./codes.ts";
import { QueueProgram } from "./execute.ts";
import { enterQueue, takeIn } from "./intake.ts";
import { queueRoot } from "./paths.ts";
import { reportOf, type Verdict } from "./verdict.ts";

export type { Verdict } from "./verdict.ts";

/** Messages up to this size, in bytes, are held in memory. */
const heldLimit = 262144;

/** How long filing a message from memory may take, in milliseconds. */
const patience = 3600_000;

/** One message on its way into the queue. Write the message, then the envelope, then close. */
export class Submission {
  readonly #environment: Start["environment"];
  #held: Held | undefined;
  #program: QueueProgram | undefined;
  #closed = false;

  /** `environment` is the queue program's; default: ours. */
  constructor(environment?: Start["environment"]) {
    this.#environment = environment;
    if (queueProgram(environment) === undefined && isOurselves()) this.#held = new Held();
    else this.#execute();
  }

  /** More of the message. */
  message(bytes: Uint8Array): void {
    const held = this.#held;
    if (held !== undefined && held.size + bytes.length > heldLimit) {
      const program = this.#execute();
      for (const piece of held.pieces) program.message(piece);
    }
    this.#target().message(bytes);
  }

  /** Ends the message and names the sender. */
  from(sender: Uint8Array): void {
    this.#target().from(sender);
  }

  /** One more recipient; after from(). */
  to(recipient: Uint8Array): void {
    this.#target().to(recipient);
  }

  /** Gives the message up: with an incomplete envelope, nothing is kept. */
  abandon(): void {
    this.#target().abandon();
  }

  /** Ends the envelope (if not abandoned) and waits for the verdict. */
  async close(): Promise<Verdict> {
    this.#closed = true;
    return await this.#target().close();
  }

  /** For who stays when the message's sender is gone: gives up what was not closed, and frees what it holds. */
  async release(): Promise<void> {
    if (this.#closed) return;
    this.abandon();
    await this.close();
  }

  #target(): Held | QueueProgram {
    return this.#held ?? this.#program ?? this.#execute();
  }

  #execute(): QueueProgram {
    this.#held = undefined;
    this.#program = new QueueProgram(queueProgram(this.#environment) ?? standardProgram, this.#environment);
    return this.#program;
  }
}

/** A message in memory, and its way into the queue without another process. */
class Held {
  readonly pieces: Buffer[] = [];
  readonly #envelope: Buffer[] = [];
  readonly #started = Math.floor(Date.now() / 1000);
  #abandoned = false;
  size = 0;

  message(bytes: Uint8Array): void {
    this.pieces.push(Buffer.from(bytes));
    this.size += bytes.length;
  }

  from(sender: Uint8Array): void {
    this.#envelope.push(Buffer.from("F"), Buffer.from(sender), Buffer.of(0));
  }

  to(recipient: Uint8Array): void {
    this.#envelope.push(Buffer.from("T"), Buffer.from(recipient), Buffer.of(0));
  }

  abandon(): void {
    this.#abandoned = true;
  }

  close(): Verdict {
    const { pid } = process;
    const code = this.#abandoned ? queueExit.read : this.#takeIn();
    return code === 0 ? { accepted: true, pid } : { accepted: false, report: reportOf(code), pid };
  }

  /** Does what qmail-queue would; returns its exit code. */
  #takeIn(): number {
    const mask = process.umask(0o033);
    try {
      enterQueue();
      takeIn({
        started: this.#started,
        uid: process.getuid?.() ?? 0,
        deadline: Date.now() + patience,
        message: this.pieces,
        envelope: [Buffer.concat([...this.#envelope, Buffer.of(0)])],
      });
      return 0;
    } catch (failure) {
      if (failure instanceof Exit) return failure.code;
      throw failure;
    } finally {
      process.umask(mask);
    }
  }
}

/** Whether this process, as it is, would do exactly what bin/qmail-queue does: same code, same user. */
function isOurselves(): boolean {
  try {
    const root = process.geteuid?.() === 0;
    // Started as root, qmail-queue becomes whom the queue belongs to.
    return (
      idsAreReal() &&
      isThisExecutable(inHome("bin/qmail-queue")) &&
      !(root && statSync(`${queueRoot()}/pid`).uid !== 0)
    );
  } catch (failure) {
    // What is missing will show in what the program says.
    if (isSystemError(failure)) return false;
    throw failure;
  }
}

const standardProgram = "./bin/qmail-queue";

/** Path of the chosen queue program: like everything a program executes, from the home, and never looked for in PATH. */
function queueProgram(environment: Start["environment"]): string | undefined {
  const value = environment?.QMAILQUEUE;
  const chosen = value === undefined ? process.env.QMAILQUEUE : Buffer.from(value).toString();
  return chosen === undefined || chosen.includes("/") || chosen === "" ? chosen : `./${chosen}`;
}
