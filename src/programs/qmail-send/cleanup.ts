/**
 * Cleaning up after crashes: a message without todo and info whose file nobody touched for 36 hours was never queued,
 * or was finished and not quite removed. Every 21 hours all messages without info are looked at, one at a time.
 *
 * That time is the clock's that can be set, or that goes on while the machine sleeps: then a message that is being filed
 * at this moment looks dead. So after any jump of that clock nothing is removed for 36 hours.
 */
import { isSystemError } from "../../core/exit.ts";
import type { Cleaner } from "./cleaner.ts";
import { type Context, helpPause } from "./context.ts";
import { listed } from "./enrolment.ts";

/** Seconds; more than the 24 hours that qmail-queue gives itself. */
export const ossified = 129600;

/** Seconds between two rounds. */
const interval = 76431;

/** Seconds by which the clock may be put right, all in all, before that counts: a fraction of 36 hours. */
const tolerance = 3600;

/** The rounds. */
export class Cleanup {
  readonly #context: Context;
  readonly #cleaner: Cleaner;
  #next: number;
  #folder = 0;
  #running = false;
  #ids: bigint[] = [];
  /** What the clock is ahead of the one that only goes forward, in seconds. */
  #ahead: number;

  constructor(context: Context, cleaner: Cleaner) {
    this.#context = context;
    this.#ahead = context.now - context.uptime();
    this.#cleaner = cleaner;
    this.#next = context.now;
  }

  wakeAt(): number {
    return this.#context.exiting || !this.#cleaner.ready() ? Number.POSITIVE_INFINITY : this.#next;
  }

  /** Looks at one message, or reads one folder. */
  step(): boolean {
    this.#watchClock();
    const { now, exiting } = this.#context;
    if (exiting || now < this.#next || !this.#cleaner.ready()) return false;
    if (!this.#running) {
      this.#running = true;
      this.#folder = 0;
    }
    const id = this.#ids.pop();
    if (id === undefined) return this.#openFolder();
    if (this.#isLeftOver(id)) this.#cleaner.removeMessage(id);
    return true;
  }

  /** After a jump, begins anew in 36 hours: what is being filed now is in todo by then, or given up. */
  #watchClock(): void {
    const { now, uptime } = this.#context;
    const ahead = now - uptime();
    if (Math.abs(ahead - this.#ahead) < tolerance) return;
    this.#ahead = ahead;
    this.#next = now + ossified;
    this.#running = false;
    this.#ids = [];
  }

  #openFolder(): boolean {
    const { disk, now, log } = this.#context;
    if (this.#folder >= disk.folders("mess")) {
      this.#running = false;
      this.#next = now + interval;
      return true;
    }
    try {
      const messages = disk.list("mess", this.#folder);
      const preprocessed = listed(disk, "info", this.#folder);
      this.#ids = messages.filter((id) => !preprocessed?.has(id));
      this.#folder++;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`alert: unable to opendir mess/${this.#folder}, sleeping...\n`);
      this.#next = now + helpPause;
    }
    return true;
  }

  /** Never true for a message that is just being ended: its number may be a new message's before the answer is here. */
  #isLeftOver(id: bigint): boolean {
    const { disk, now } = this.#context;
    try {
      const message = disk.status(disk.path("mess", id));
      if (message === undefined || now <= message.accessed + ossified) return false;
      if (disk.status(disk.path("info", id)) || disk.status(disk.path("todo", id))) return false;
    } catch (failure) {
      if (isSystemError(failure)) return false;
      throw failure;
    }
    return !this.#cleaner.has(`foop/${id}`);
  }
}
