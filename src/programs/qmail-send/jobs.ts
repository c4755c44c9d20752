/**
 * A job is one message on one channel while its recipients are being read or tried. The pass that reads them and
 * every delivery hold it; when the last lets go, its recipient list is removed or the message is due again.
 */
import { isSystemError } from "../../core/exit.ts";
import { type Channel, channels } from "./channel.ts";
import { type Context, patience, recipientsPath } from "./context.ts";

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
}

/** All jobs; there are never more than deliveries can be under way. */
export class Jobs {
  readonly #context: Context;
  readonly #limit: number;
  #count = 0;

  constructor(context: Context) {
    this.#context = context;
    this.#limit = context.settings.concurrency[0] + context.settings.concurrency[1];
  }

  available(): boolean {
    return this.#count < this.#limit;
  }

  /** A job held once. */
  open(fields: Pick<Job, "id" | "channel" | "sender" | "retry" | "dying">): Job {
    this.#count++;
    return { ...fields, open: 0, complete: false, holders: 1 };
  }

  /** One holder lets go. */
  release(job: Job): void {
    if (--job.holders > 0) return;
    this.#count--;
    const { schedule } = this.#context;
    if (job.complete && job.open === 0) this.#finish(job);
    else schedule.channels[job.channel].insert(job.id, job.retry);
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
      schedule.channels[channel].insert(id, now + patience);
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
