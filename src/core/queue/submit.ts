/**
 * The client of qmail-queue: gives it a message and an envelope, and says what came of it. The program is
 * bin/qmail-queue, or $QMAILQUEUE.
 *
 * Where bin/qmail-queue is this very executable and would run as this very user, starting it would change nothing but
 * the time it takes. A message that fits into memory is then taken in by this process; a larger one goes to a
 * qmail-queue as soon as that shows. Nothing is in the queue's directories while more of the message is awaited, so
 * that a caller who is killed leaves nothing behind.
 */
import { Exit } from "../exit.ts";
import { environmentBytes } from "../sys/arguments.ts";
import type { Start } from "../sys/spawn.ts";
import { queueExit } from "./codes.ts";
import { envelopeOf } from "./envelope.ts";
import { QueueProgram } from "./execute.ts";
import { QueueProgramBeside } from "./execute-beside.ts";
import { enterQueue, takeIn } from "./intake.ts";
import { isOurselves } from "./ourselves.ts";
import type { ResidentQueue } from "./resident-client.ts";
import { reportOf, type Verdict } from "./verdict.ts";

export type { Verdict } from "./verdict.ts";

/** Messages up to this size, in bytes, are held in memory. */
const heldLimit = 262144;

/** Those that go to a warm queue program. */
const residentLimit = 1 << 20;

/** Messages in memory are held in blocks of this size, or larger where more comes at once. */
const block = 16384;

/** Blocks of messages that are over, for the next ones. */
const spareBlocks: Buffer[] = [];
const mostSpare = 64;

/** How long filing a message from memory may take, in milliseconds. */
const patience = 3600_000;

/**
 * One message on its way into the queue. Write the message, then the envelope, then close. Only that of a server that
 * stays ever returns promises; they have to be awaited.
 */
export class Submission {
  /** Of a server that stays, what differs from its own. */
  readonly #environment: Start["environment"];
  /** Others are served meanwhile. */
  readonly #beside: boolean;
  #held: Held | undefined;
  #program: QueueProgram | QueueProgramBeside | undefined;
  #closed = false;

  /**
   * `environment` is the queue program's; default: ours. `resident` is the warm way of a server that stays; with it,
   * `environment` has the variables that are this connection's own.
   */
  constructor(environment?: Start["environment"], resident?: ResidentQueue) {
    this.#environment = environment;
    this.#beside = resident !== undefined;
    if (queueProgram(environment) !== undefined) this.#execute();
    else if (resident !== undefined) this.#held = new HeldForResident(resident);
    else if (isOurselves()) this.#held = new Held();
    else this.#execute();
  }

  /** More of the message. */
  message(bytes: Uint8Array): void | Promise<void> {
    const held = this.#held;
    if (held !== undefined && !held.hasRoomFor(bytes.length)) {
      held.forget();
      const program = this.#execute();
      for (const piece of held.pieces) program.message(piece);
    }
    return this.#target().message(bytes);
  }

  /** Ends the message and names the sender. */
  from(sender: Uint8Array): void | Promise<void> {
    return this.#target().from(sender);
  }

  /** One more recipient; after from(). */
  to(recipient: Uint8Array): void | Promise<void> {
    return this.#target().to(recipient);
  }

  /** Gives the message up: with an incomplete envelope, nothing is kept. */
  abandon(): void {
    this.#target().abandon();
  }

  /** Ends the envelope (if not abandoned) and waits for the verdict. */
  async close(): Promise<Verdict> {
    this.#closed = true;
    const held = this.#held;
    const verdict = await this.#target().close();
    return verdict ?? (await this.#again(held));
  }

  /** The warm way is not open now: the message is still here. */
  async #again(held: Held | undefined): Promise<Verdict> {
    const program = this.#execute();
    for (const piece of held?.pieces ?? []) program.message(piece);
    program.from(held?.sender ?? Buffer.alloc(0));
    for (const recipient of held?.recipients ?? []) program.to(recipient);
    return await program.close();
  }

  /** For who stays when the message's sender is gone: gives up what was not closed, and frees what it holds. */
  async release(): Promise<void> {
    if (this.#closed) return;
    this.abandon();
    await this.close();
  }

  #target(): Held | QueueProgram | QueueProgramBeside {
    return this.#held ?? this.#program ?? this.#execute();
  }

  #execute(): QueueProgram | QueueProgramBeside {
    this.#held = undefined;
    const path = queueProgram(this.#environment) ?? standardProgram;
    this.#program = this.#beside
      ? new QueueProgramBeside(path, { ...environmentBytes(), ...this.#environment })
      : new QueueProgram(path, this.#environment);
    return this.#program;
  }
}

/** A message in memory, and its way into the queue without another process. */
class Held {
  readonly #pieces: Buffer[] = [];
  /** Bytes of the last piece that are free: small pieces are joined, or each would cost more than it holds. */
  #free = 0;
  sender: Buffer = Buffer.alloc(0);
  readonly recipients: Buffer[] = [];
  readonly #started = Math.floor(Date.now() / 1000);
  protected abandoned = false;
  protected size = 0;

  /** Whether so many bytes more can be held. */
  hasRoomFor(bytes: number): boolean {
    return this.size + bytes <= heldLimit;
  }

  /** It is held elsewhere from now on. */
  forget(): void {}

  /** The message so far. */
  get pieces(): readonly Buffer[] {
    const last = this.#pieces[this.#pieces.length - 1];
    return last === undefined
      ? []
      : [...this.#pieces.slice(0, -1), last.subarray(0, last.length - this.#free)];
  }

  /** Nobody looks at it any more. */
  protected reuse(): void {
    for (const piece of this.#pieces.splice(0))
      if (piece.length === block && spareBlocks.length < mostSpare) spareBlocks.push(piece);
    this.#free = 0;
  }

  message(bytes: Uint8Array): void {
    this.size += bytes.length;
    for (let offset = 0; offset < bytes.length; ) {
      const last = this.#pieces[this.#pieces.length - 1];
      if (last === undefined || this.#free === 0) {
        this.#free = Math.max(block, bytes.length - offset);
        const spare = this.#free === block ? spareBlocks.pop() : undefined;
        this.#pieces.push(spare ?? Buffer.allocUnsafeSlow(this.#free));
        continue;
      }
      const piece = bytes.subarray(offset, offset + this.#free);
      last.set(piece, last.length - this.#free);
      this.#free -= piece.length;
      offset += piece.length;
    }
  }

  from(sender: Uint8Array): void {
    this.sender = Buffer.from(sender);
  }

  to(recipient: Uint8Array): void {
    this.recipients.push(Buffer.from(recipient));
  }

  abandon(): void {
    this.abandoned = true;
  }

  /** Undefined: not this way; only of a way that is not always open. */
  close(): Verdict | Promise<Verdict | undefined> {
    const { pid } = process;
    const code = this.abandoned ? queueExit.read : this.#takeIn();
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
        envelope: [envelopeOf(this.sender, this.recipients)],
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

/** A message in memory that a warm queue program takes in. */
class HeldForResident extends Held {
  readonly #resident: ResidentQueue;

  constructor(resident: ResidentQueue) {
    super();
    this.#resident = resident;
  }

  override hasRoomFor(bytes: number): boolean {
    return this.size + bytes <= residentLimit && this.#resident.hold(bytes);
  }

  override forget(): void {
    this.#resident.release(this.size);
    this.size = 0;
  }

  override async close(): Promise<Verdict | undefined> {
    try {
      if (this.abandoned) return { accepted: false, report: reportOf(queueExit.read), pid: process.pid };
      const { pieces: message, sender, recipients } = this;
      const verdict = await this.#resident.submit({ message, sender, recipients });
      // Without one, it goes another way.
      if (verdict !== undefined) this.reuse();
      return verdict;
    } finally {
      this.forget();
    }
  }
}

const standardProgram = "./bin/qmail-queue";

/** Path of the chosen queue program: like everything a program executes, from the home, and never looked for in PATH. */
function queueProgram(environment: Start["environment"]): string | undefined {
  const value = environment?.QMAILQUEUE;
  const chosen = value === undefined ? process.env.QMAILQUEUE : Buffer.from(value).toString();
  return chosen === undefined || chosen.includes("/") || chosen === "" ? chosen : `./${chosen}`;
}
