/**
 * First attempts straight from todo. A message whose few recipients can all be tried at once needs no lists if they
 * all get it: it stays in todo (S4) meanwhile, and then leaves by intd, todo, mess, whose every prefix is a state of
 * INTERNALS. As soon as there is something to be written down, or when it takes long, it is preprocessed after all, with
 * the recipients that are done marked in its lists. What failed waits for that: in S4 there is no bounce.
 */
import { isSystemError } from "../../core/exit.ts";
import { type Channel, channels, nextAttempt } from "./channel.ts";
import type { Cleaner } from "./cleaner.ts";
import { type Context, helpPause, patience } from "./context.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Envelope, Recipient } from "./envelope.ts";
import type { Job, Jobs, Unlisted } from "./jobs.ts";
import type { Move } from "./preprocess.ts";
import { Trouble } from "./trouble.ts";

/** Seconds after which a message has its lists, whatever becomes of its attempts. */
const longest = 3;

/** A message whose recipients are being tried. */
class FirstAttempt implements Unlisted {
  readonly envelope: Envelope;
  readonly birth: number;
  readonly jobs: Job[] = [];
  /** Its lists are durable, and tell who is done; todo/ID is still there. */
  listed = false;
  /** Something has to be written down: a recipient did not get it, or it takes long. */
  needy = false;
  /** There is something that a next start would not know: someone got it, or failed. */
  telling = false;
  /** Its end was told. */
  ended = false;
  /** It is in the hands of qmail-clean. */
  leaving = false;
  /** When what failed is tried again. */
  again = 0;
  /** When the first recipient got it. */
  began: number | undefined;
  #left: number;
  readonly #context: Context;
  readonly #onNews: () => void;

  constructor(context: Context, envelope: Envelope, onNews: () => void) {
    this.#context = context;
    this.envelope = envelope;
    this.birth = context.now;
    this.#left = envelope.recipients.length;
    this.#onNews = onNews;
  }

  /** Whether everybody got it. */
  get over(): boolean {
    return this.#left === 0;
  }

  delivered(channel: Channel, offset: number): boolean {
    for (const recipient of this.envelope.recipients)
      if (recipient.channel === channel && recipient.offset === offset) recipient.done = true;
    this.#left--;
    this.telling = true;
    this.began ??= this.#context.now;
    if (this.over) this.#onNews();
    return this.listed;
  }

  deferred(): void {
    this.needy = true;
    this.#onNews();
  }

  failed(): void {
    this.telling = true;
    this.deferred();
  }
}

/** The first attempts under way. */
export class FirstAttempts {
  readonly #context: Context;
  readonly #cleaner: Cleaner;
  readonly #deliveries: Deliveries;
  readonly #jobs: Jobs;
  readonly #attempts = new Map<bigint, FirstAttempt>();
  /** Reports came: some may be over, or needy. */
  #news = false;
  /** When all were looked at because time went by. */
  #looked = 0;

  constructor(context: Context, cleaner: Cleaner, deliveries: Deliveries, jobs: Jobs) {
    this.#context = context;
    this.#cleaner = cleaner;
    this.#deliveries = deliveries;
    this.#jobs = jobs;
  }

  has(id: bigint): boolean {
    return this.#attempts.has(id);
  }

  /** Whether there is nothing left that has to be written down. */
  idle(): boolean {
    return this.#attempts.size === 0;
  }

  wakeAt(): number {
    return this.#attempts.size === 0 ? Number.POSITIVE_INFINITY : this.#looked + 1;
  }

  /** ALRM: what was not delivered is due as soon as its lists are there; the log has told of it already. */
  retryAll(): void {
    for (const [id, { needy }] of this.#attempts) if (needy) this.#jobs.repeat(id);
  }

  /** Starts all deliveries of a message; there have to be as many slots. */
  start(envelope: Envelope): void {
    const { log, now } = this.#context;
    const { id, recipients, senders } = envelope;
    log(envelope.lines);
    const attempt = new FirstAttempt(this.#context, envelope, () => {
      this.#news = true;
    });
    this.#attempts.set(id, attempt);
    if (attempt.over) this.#news = true;
    const lists = channels.map((channel) => recipients.filter((recipient) => recipient.channel === channel));
    const jobs = lists.map((list, index) => {
      const channel = index as Channel;
      if (list.length === 0) return undefined;
      const retry = nextAttempt(attempt.birth, now, channel);
      const job = this.#jobs.open({ id, channel, sender: senders[0] ?? "", retry, dying: false });
      job.first = attempt;
      attempt.jobs.push(job);
      return job;
    });
    // One of each channel in turn, as passes do it.
    for (let place = 0; lists.some((list) => place < list.length); place++)
      for (const channel of channels) this.#deliver(jobs[channel], lists[channel]?.[place]);
  }

  #deliver(job: Job | undefined, recipient: Recipient | undefined): void {
    if (job !== undefined && recipient !== undefined)
      this.#deliveries.start(job, recipient.offset, recipient.address);
  }

  /** Ends those that are over; returns those that have to be preprocessed. */
  step(): Move[] {
    const { now, exiting } = this.#context;
    if (!this.#news && now === this.#looked) return [];
    this.#news = false;
    this.#looked = now;
    const moves: Move[] = [];
    for (const attempt of this.#attempts.values()) {
      const leaves = attempt.listed || attempt.ended;
      if (attempt.leaving || (now < attempt.again && !(exiting && leaves))) continue;
      if (leaves) this.#ask(attempt);
      else if (attempt.over) this.#end(attempt);
      else if (attempt.needy || isLate(attempt, now)) this.#list(attempt, moves);
    }
    return moves;
  }

  #list(attempt: FirstAttempt, moves: Move[]): void {
    const { exiting, leftovers } = this.#context;
    if (leftovers.has(attempt.envelope.id) && exiting && !attempt.telling) {
      this.#let(attempt);
      return;
    }
    if (!this.#removeTorn(attempt)) return;
    moves.push({
      envelope: attempt.envelope,
      birth: attempt.birth,
      listed: () => {
        attempt.listed = true;
        this.#ask(attempt);
      },
      failed: (why) => this.#failed(attempt, why, helpPause),
    });
  }

  /** Everybody got it. */
  #end(attempt: FirstAttempt): void {
    if (!this.#removeTorn(attempt)) return;
    this.#context.log(`end msg ${attempt.envelope.id}\n`);
    attempt.ended = true;
    this.#ask(attempt);
  }

  /** Lists of it that were written in part. */
  #removeTorn(attempt: FirstAttempt): boolean {
    try {
      this.#context.leftovers.remove(attempt.envelope.id);
      return true;
    } catch (failure) {
      if (!(failure instanceof Trouble)) throw failure;
      this.#failed(attempt, failure.message, patience);
      return false;
    }
  }

  #failed(attempt: FirstAttempt, why: string, pause: number): void {
    const { log, now } = this.#context;
    log(`warning: ${why}\n`);
    attempt.again = now + pause;
  }

  /** Lets it leave todo: for S5, or for good. */
  #ask(attempt: FirstAttempt): void {
    const name = `todo/${attempt.envelope.id}`;
    attempt.leaving = true;
    this.#cleaner.ask(name, (answer) => {
      attempt.leaving = false;
      if (answer === "+") {
        if (attempt.ended) this.#gone(attempt);
        else this.#ready(attempt);
        return;
      }
      if (answer !== undefined) this.#failed(attempt, `qmail-clean unable to clean up ${name}`, patience);
      // The next start finds it in todo, as if nothing had been tried.
      if (answer === undefined || this.#context.exiting) this.#let(attempt);
    });
  }

  /** It is in S5: whatever was waiting for that goes on. */
  #ready(attempt: FirstAttempt): void {
    this.#attempts.delete(attempt.envelope.id);
    this.#context.leftovers.delete(attempt.envelope.id);
    for (const job of attempt.jobs) {
      job.first = undefined;
      job.complete = true;
      this.#jobs.release(job);
    }
  }

  #gone(attempt: FirstAttempt): void {
    const { id } = attempt.envelope;
    this.#forget(id);
    this.#let(attempt);
    this.#cleaner.removeMessage(id);
  }

  /** It was held while it was tried. A mark that stays means no other message. */
  #forget(id: bigint): void {
    const { schedule, log, disk } = this.#context;
    try {
      schedule.holds.drop(id);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to unlink ${disk.path("hold", id)}\n`);
    }
  }

  /** It is nobody's business any more. */
  #let(attempt: FirstAttempt): void {
    this.#attempts.delete(attempt.envelope.id);
    for (const job of attempt.jobs) {
      job.first = undefined;
      job.over = true;
      this.#jobs.release(job);
    }
  }
}

/** Who got it is not known to a next start before the lists are there. */
function isLate({ birth, began }: FirstAttempt, now: number): boolean {
  return now >= birth + longest || (began !== undefined && now > began);
}
