/**
 * Taking in many messages at once, whose barriers are shared: what `qmail-queue --resident` does with each request, or
 * a server that stays by itself. What each goes through on the disk, and in which order, is as for any message
 * (entry.ts).
 */
import { Exit } from "../exit.ts";
import { writeAll } from "../sys/fd.ts";
import { Flusher } from "../sys/flusher.ts";
import { attempt, queueExit } from "./codes.ts";
import { envelopeOf } from "./envelope.ts";
import { GroupCommit, processClock } from "./group.ts";
import { takeInWith } from "./intake.ts";
import { queueRoot, queueSplit } from "./paths.ts";
import type { Request } from "./resident-words.ts";
import { pullTrigger } from "./trigger.ts";

/** How many messages may be under way: each has two files open. */
const most = 200;

/** How long a message may take, in milliseconds. */
const patience = 3600_000;

/** Mode bits that files of the queue do not have. */
const queueMask = 0o033;

export class SharedIntake {
  readonly #uid: number;
  readonly #flusher: Flusher;
  readonly #group: GroupCommit;
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];
  #triggerDue = false;

  /**
   * `uid` is the real one of who calls. Throws Exit 62 where there is no queue. Then the caller sees to it that the
   * process may write there.
   */
  constructor(uid: number) {
    this.#uid = uid;
    this.#flusher = attempt(queueExit.queue, () => new Flusher(placesOfEntries()));
    this.#group = new GroupCommit(this.#flusher, processClock);
  }

  /** Whether nothing can be made durable here any more. */
  get isDead(): boolean {
    return this.#flusher.isDead;
  }

  /** Ends the thread that waits for the disk. */
  close(): void {
    this.#flusher.close();
  }

  /** Takes one message in: 0 when it survives a power cut and qmail-send was woken, or a code of qmail-queue(8). */
  async take(started: number, request: Request): Promise<number> {
    if (this.#underWay >= most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#underWay++;
    try {
      await this.#enter(started, request);
    } catch (failure) {
      if (failure instanceof Exit) return failure.code;
      // A fault nobody foresaw is this message's; the others go on.
      const fault = failure instanceof Error ? failure.stack : failure;
      writeAll(2, Buffer.from(`qmail-queue: warning: ${fault}\n`));
      return queueExit.bug;
    } finally {
      this.#underWay--;
      this.#waiting.shift()?.();
    }
    this.#wake();
    return 0;
  }

  #enter(started: number, { message, sender, recipients }: Request): Promise<void> {
    // It would be the end of the address, and what stands behind it another record.
    if ([sender, ...recipients].some((address) => address.includes(0))) throw new Exit(queueExit.envelope);
    const intake = {
      started,
      uid: this.#uid,
      deadline: Date.now() + patience,
      message,
      envelope: [envelopeOf(sender, recipients)],
    };
    // The files are made before the first wait.
    const mask = process.umask(queueMask);
    try {
      return takeInWith(this.#group, intake);
    } finally {
      process.umask(mask);
    }
  }

  /** Wakes qmail-send once for all that became durable together, before anybody hears of it. */
  #wake(): void {
    if (this.#triggerDue) return;
    this.#triggerDue = true;
    queueMicrotask(() => {
      this.#triggerDue = false;
      pullTrigger();
    });
  }
}

/** Every directory that a message goes through on its way to todo. */
function placesOfEntries(): [string, ...string[]] {
  const root = queueRoot();
  const folders = Array.from({ length: queueSplit() }, (_, folder) => `${root}/mess/${folder}`);
  return [`${root}/pid`, `${root}/intd`, `${root}/todo`, ...folders];
}
