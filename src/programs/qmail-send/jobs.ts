/**
 * A job is one message on one channel while its recipients are being read or tried. The pass that reads them and
 * every delivery hold it; when the last lets go, its recipient list is removed or the message is due again.
 */
import { isSystemError } from "../../core/exit.ts";
import { type Channel, channels } from "./channel.ts";
import { type Context, patience, recipientsPath } from "./context.ts";

/** A message that is tried straight from todo hears of its deliveries: it has no lists. */
export interface Unlisted {
  /** A recipient is done. True: by now there is a list, and it has to be marked there. */
  delivered(channel: Channel, offset: number): boolean;
  /** A recipient is not done. */
  deferred(): void;
  /** A recipient failed; what is to be told of it waits for the lists. */
  failed(): void;
}

/** One message on one channel. */
export interface Job {
  readonly id: bigint;
  readonly channel: Channel;
  readonly sender: string;
  /** When the message is due again if recipients remain. */
  readonly retry: number;
  /** Too long in the queue: a deferral is a failure. */
  readonly dying: boolean;
  /** Recipients tried that are not done. */
  open: number;
  /** Whether all recipients have been read. */
  complete: boolean;
  holders: number;
  /** While the message is in todo; it holds the job, too. */
  first: Unlisted | undefined;
  /** The message is gone, or left to the next start. */
  over: boolean;
}

/** All jobs; there are never more than deliveries can be under way. */
export class Jobs {
  readonly #context: Context;
  readonly #limit: number;
  #count = 0;
  /** The channels of each message that has jobs: bits 1 and 2. */
  readonly #open = new Map<bigint, number>();
  /** Messages with jobs that are due at once when those are over. */
  readonly #again = new Set<bigint>();
  readonly #onFree: (id: bigint) => void;

  /** `onFree` is called when nothing is under way for a message any more. */
  constructor(context: Context, onFree: (id: bigint) => void) {
    this.#context = context;
    this.#onFree = onFree;
    this.#limit = context.settings.concurrency[0] + context.settings.concurrency[1];
  }

  available(): boolean {
    return this.#count < this.#limit;
  }

  /** A job held once. */
  open(fields: Pick<Job, "id" | "channel" | "sender" | "retry" | "dying">): Job {
    this.#count++;
    this.#open.set(fields.id, (this.#open.get(fields.id) ?? 0) | (fields.channel + 1));
    return { ...fields, open: 0, complete: false, holders: 1, first: undefined, over: false };
  }

  /** One holder lets go. */
  release(job: Job): void {
    if (--job.holders > 0) return;
    this.#count--;
    const { schedule, now } = this.#context;
    const { id, channel } = job;
    const others = (this.#open.get(id) ?? 0) & ~(channel + 1);
    if (others === 0) this.#open.delete(id);
    else this.#open.set(id, others);
    if (job.complete && job.open === 0) this.#finish(job);
    else if (!job.over) schedule.insert(channel, id, this.#again.has(id) ? now : job.retry);
    if (others !== 0) return;
    this.#again.delete(id);
    this.#onFree(id);
  }

  /** Whether there is a job for a message, on that channel or on any. */
  busy(id: bigint, channel?: Channel): boolean {
    const open = this.#open.get(id) ?? 0;
    return channel === undefined ? open !== 0 : (open & (channel + 1)) !== 0;
  }

  /** A message with a job is due again as soon as that is over. */
  repeat(id: bigint): void {
    if (this.busy(id)) this.#again.add(id);
  }

  /** All recipients are done: removes their list, and ends the message if that was its last. */
  #finish({ id, channel }: Job): void {
    const { disk, schedule, log, now } = this.#context;
    const path = recipientsPath(disk, channel, id);
    try {
      disk.remove(path);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to unlink ${path}; will try again later\n`);
      schedule.insert(channel, id, now + patience);
      return;
    }
    if (!this.#hasOther(id, channel)) schedule.done.insert(id, now);
  }

  #hasOther(id: bigint, channel: Channel): boolean {
    const { disk, log } = this.#context;
    for (const other of channels) {
      if (other === channel) continue;
      const path = recipientsPath(disk, other, id);
      try {
        if (disk.status(path) !== undefined) return true;
      } catch (failure) {
        if (!isSystemError(failure)) throw failure;
        // Ending the message looks again and will not be misled.
        log(`warning: unable to stat ${path}\n`);
      }
    }
    return false;
  }
}
