/**
 * New messages. What stands in todo is tried at once where there is room for all of its recipients (first.ts), and
 * preprocessed where there is not: then qmail-clean removes intd and todo, and the message is ready. A burst is worked
 * off in batches that share one barrier. Lines of the log wait for their message's turn, so that its lines always stand
 * in one order.
 */
import { isSystemError } from "../../core/exit.ts";
import { type Channel, channels } from "./channel.ts";
import type { Cleaner } from "./cleaner.ts";
import { type Context, helpPause } from "./context.ts";
import type { Deliveries } from "./deliveries.ts";
import { Envelope, few } from "./envelope.ts";
import type { FirstAttempts } from "./first.ts";
import type { Passes } from "./passes.ts";
import { type Move, preprocess } from "./preprocess.ts";
import { Trouble } from "./trouble.ts";

/** Seconds after which todo is looked at even if nobody pulls the trigger. */
const interval = 1500;

/** Messages that share a barrier, and that wait for a slot. */
const batchLimit = 64;

/** Seconds that a message waits for slots before it is preprocessed. */
const longestWait = 2;

/** Who takes new messages in hand. */
interface Parts {
  cleaner: Cleaner;
  deliveries: Deliveries;
  passes: Passes;
  first: FirstAttempts;
}

/** Looks for new messages and gets them on their way. */
export class Todo {
  readonly #context: Context;
  readonly #parts: Parts;
  readonly #onReady: (id: bigint) => void;
  #ids: bigint[] = [];
  #position = 0;
  /** Read, and waiting for slots; in the order in which they came. */
  #waiting: { envelope: Envelope; since: number }[] = [];
  #triggered = false;
  #next: number;

  /** `onReady` is called after each message that was preprocessed, before the next one is. */
  constructor(context: Context, parts: Parts, onReady: (id: bigint) => void) {
    this.#context = context;
    this.#parts = parts;
    this.#onReady = onReady;
    this.#next = context.now;
  }

  /** Somebody pulled the trigger. */
  trigger(): void {
    this.#triggered = true;
  }

  /** Whether a message is in hand here. */
  has(id: bigint): boolean {
    return this.#ids.includes(id, this.#position) || this.#waits(id) || this.#parts.first.has(id);
  }

  wakeAt(): number {
    const { exiting, now } = this.#context;
    if (exiting || !this.#parts.cleaner.ready()) return this.#parts.first.wakeAt();
    return Math.min(this.#waiting.length > 0 ? now + 1 : this.#next, this.#parts.first.wakeAt());
  }

  /** Gets one batch on its way. False: there is nothing that can be done now. */
  step(): boolean {
    const { cleaner, first } = this.#parts;
    if (!cleaner.ready()) return false;
    const moves = first.step();
    const acted = !this.#context.exiting && this.#take(moves);
    if (moves.length > 0) preprocess(this.#context, moves);
    return acted || moves.length > 0;
  }

  /** Starts what can be started, and adds what cannot wait to those that are preprocessed. */
  #take(moves: Move[]): boolean {
    let acted = this.#serveWaiting(moves);
    for (let count = 0; count < batchLimit && !this.#isFull(); count++) {
      if (this.#ids.length === 0 && !this.#look(moves)) break;
      const id = this.#ids[this.#position++];
      if (this.#position === this.#ids.length) this.#clear();
      const envelope = id === undefined ? undefined : this.#read(id);
      if (envelope !== undefined) this.#sort(envelope, moves);
      acted = true;
    }
    return acted;
  }

  #clear(): void {
    this.#ids = [];
    this.#position = 0;
  }

  #serveWaiting(moves: Move[]): boolean {
    const { now, schedule } = this.#context;
    const before = this.#waiting.length;
    if (before === 0) return false;
    this.#waiting = this.#waiting.filter(({ envelope, since }) => {
      if (schedule.holds.has(envelope.id) || now >= since + longestWait) moves.push(this.#classic(envelope));
      else if (this.#fits(envelope)) this.#parts.first.start(envelope);
      else return true;
      return false;
    });
    return this.#waiting.length < before;
  }

  /** What goes fast is waited for: more is read when there is room. */
  #isFull(): boolean {
    const { deliveries } = this.#parts;
    if (this.#waiting.length < batchLimit) return false;
    return channels.some(
      (channel) => this.#waitingOn(channel) >= batchLimit && deliveries.pace(channel) >= batchLimit,
    );
  }

  #waitingOn(channel: Channel): number {
    return this.#waiting.reduce((count, { envelope }) => count + (envelope.count(channel) > 0 ? 1 : 0), 0);
  }

  #waits(id: bigint): boolean {
    return this.#waiting.some(({ envelope }) => envelope.id === id);
  }

  #sort(envelope: Envelope, moves: Move[]): void {
    const { first } = this.#parts;
    if (!this.#mayBeStraight(envelope)) moves.push(this.#classic(envelope));
    else if (this.#fits(envelope)) first.start(envelope);
    else if (this.#mayWait(envelope)) this.#waiting.push({ envelope, since: this.#context.now });
    else moves.push(this.#classic(envelope));
  }

  #mayBeStraight({ id, whole, senders, recipients }: Envelope): boolean {
    const { schedule } = this.#context;
    const usual = whole && senders.length === 1 && recipients.length <= few;
    return usual && this.#parts.cleaner.removes() && !schedule.closed && !schedule.holds.has(id);
  }

  /** Whether all of its deliveries can be started now, and passes are not waiting for their turn. */
  #fits(envelope: Envelope): boolean {
    const { deliveries, passes } = this.#parts;
    return channels.every((channel) => {
      const wanted = envelope.count(channel);
      if (wanted === 0) return true;
      return deliveries.room(channel) >= wanted && !(passes.waits(channel) && deliveries.wasFirst(channel));
    });
  }

  /** Whether slots for it will be free soon: as many messages wait as are delivered in a second, or in one go. */
  #mayWait(envelope: Envelope): boolean {
    const { deliveries } = this.#parts;
    const { concurrency } = this.#context.settings;
    return channels.every((channel) => {
      const wanted = envelope.count(channel);
      if (wanted === 0) return true;
      const soon = Math.max(concurrency[channel], deliveries.pace(channel));
      return wanted <= concurrency[channel] && this.#waitingOn(channel) < Math.min(soon, batchLimit);
    });
  }

  /** Reads the names in todo, if it is time, without those that are in hand already: in the moves of this step, too. */
  #look(moves: readonly Move[]): boolean {
    const { disk, now, log } = this.#context;
    const { cleaner, first } = this.#parts;
    if (!this.#triggered && now < this.#next) return false;
    this.#triggered = false;
    const moving = new Set(moves.map(({ envelope }) => envelope.id));
    try {
      this.#ids = disk
        .list("todo")
        .filter((id) => !moving.has(id) && !first.has(id) && !this.#waits(id) && !cleaner.has(`todo/${id}`));
      this.#next = now + interval;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#ids = [];
      this.#next = now + helpPause;
      log("alert: unable to opendir todo, sleeping...\n");
    }
    return this.#ids.length > 0;
  }

  #read(id: bigint): Envelope | undefined {
    const envelope = new Envelope(this.#context, id);
    try {
      envelope.open();
      return envelope;
    } catch (failure) {
      if (!(failure instanceof Trouble)) throw failure;
      this.#context.log(`${envelope.lines}warning: ${failure.message}\n`);
      envelope.close();
      return undefined;
    }
  }

  /** A message that is preprocessed before anything else. What fails is found in todo again. */
  #classic(envelope: Envelope): Move {
    return {
      envelope,
      birth: this.#context.now,
      listed: () => this.#handOver(envelope),
      failed: (why) => this.#context.log(`${envelope.lines}warning: ${why}\n`),
    };
  }

  #handOver(envelope: Envelope): void {
    const { id, lines } = envelope;
    const name = `todo/${id}`;
    this.#parts.cleaner.ask(name, (answer) => {
      const { log, schedule, now, leftovers } = this.#context;
      log(lines);
      if (answer === undefined) return;
      if (answer !== "+") {
        log(`warning: qmail-clean unable to clean up ${name}\n`);
        return;
      }
      leftovers.delete(id);
      const has = channels.filter((channel) => envelope.count(channel) > 0);
      for (const channel of has) schedule.insert(channel, id, now);
      if (has.length === 0) schedule.done.insert(id, now);
      this.#onReady(id);
    });
  }
}
