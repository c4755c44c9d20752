/** Passes: one per channel reads the recipients of the message that is due and starts their deliveries as slots allow. */
import { isSystemError } from "../../core/exit.ts";
import { type Channel, channels, latestAttempt, nextAttempt } from "./channel.ts";
import { type Context, patience, type Records, recipientsPath } from "./context.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Job, Jobs } from "./jobs.ts";

/** A recipient list being read. `offset` is where the next record starts. */
interface Pass {
  job: Job;
  path: string;
  records: Records;
  offset: number;
}

/** The first record of a message's info file, and the file's time. */
export function readInfo(context: Context, id: bigint): { sender: string; birth: number } | undefined {
  const { disk } = context;
  const path = disk.path("info", id);
  try {
    const status = disk.status(path);
    if (status === undefined) return undefined;
    const records = disk.open(path);
    try {
      const record = records.next();
      return record?.startsWith("F") ? { sender: record.slice(1), birth: status.modified } : undefined;
    } finally {
      records.close();
    }
  } catch (failure) {
    if (isSystemError(failure)) return undefined;
    throw failure;
  }
}

/** The passes of both channels. */
export class Passes {
  readonly #context: Context;
  readonly #jobs: Jobs;
  readonly #deliveries: Deliveries;
  readonly #passes: [Pass | undefined, Pass | undefined] = [undefined, undefined];

  constructor(context: Context, jobs: Jobs, deliveries: Deliveries) {
    this.#context = context;
    this.#jobs = jobs;
    this.#deliveries = deliveries;
  }

  /** One step on each channel: at most one delivery each. False: nothing can be done now. */
  step(): boolean {
    if (this.#context.exiting || this.#context.schedule.closed) return false;
    const local = this.#stepOn(0);
    return this.#stepOn(1) || local;
  }

  /** Whether one is under way, or a message is due for the next. */
  waits(channel: Channel): boolean {
    const { schedule, now } = this.#context;
    if (this.#passes[channel] !== undefined) return true;
    return schedule.channels[channel].firstTime <= now && this.#jobs.available();
  }

  /** When the next pass can begin. */
  wakeAt(): number {
    const { exiting, schedule } = this.#context;
    if (exiting || schedule.closed || !this.#jobs.available()) return Number.POSITIVE_INFINITY;
    const idle = channels.filter((channel) => this.#passes[channel] === undefined);
    return Math.min(...idle.map((channel) => schedule.channels[channel].firstTime));
  }

  #stepOn(channel: Channel): boolean {
    const began = this.#passes[channel] === undefined && this.#begin(channel);
    const pass = this.#passes[channel];
    if (pass === undefined || !this.#deliveries.available(channel)) return began;
    this.#advance(channel, pass);
    return true;
  }

  /** Opens the message that is due. False: there is none, or too many are open. */
  #begin(channel: Channel): boolean {
    const { schedule, now, log, disk, settings } = this.#context;
    if (!this.#jobs.available()) return false;
    const id = schedule.channels[channel].takeDue(now);
    if (id === undefined) return false;
    const path = recipientsPath(disk, channel, id);
    const records = this.#openRecipients(path);
    const info = records && readInfo(this.#context, id);
    if (records === undefined || info === undefined) {
      records?.close();
      log(`warning: trouble opening ${path}; will try again later\n`);
      schedule.insert(channel, id, now + patience);
      return true;
    }
    const { sender, birth } = info;
    const latest = latestAttempt(settings.lifetime, now, channel);
    const retry = Math.min(nextAttempt(birth, now, channel), latest);
    const job = this.#jobs.open({ id, channel, sender, retry, dying: now > birth + settings.lifetime });
    this.#passes[channel] = { job, path, records, offset: 0 };
    return true;
  }

  #openRecipients(path: string): Records | undefined {
    try {
      return this.#context.disk.open(path);
    } catch (failure) {
      if (isSystemError(failure)) return undefined;
      throw failure;
    }
  }

  /** Reads one record. */
  #advance(channel: Channel, pass: Pass): void {
    const { log, schedule } = this.#context;
    let record: string | undefined;
    try {
      record = pass.records.next();
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: trouble reading ${pass.path}; will try again later\n`);
      this.#end(channel, pass);
      return;
    }
    if (record === undefined) {
      pass.job.complete = true;
      this.#end(channel, pass);
    } else if (record.startsWith("T") && schedule.holds.has(pass.job.id)) {
      // Not before: where no recipient is left, the message ends as it would have without the hold.
      this.#end(channel, pass);
    } else if (record.startsWith("T")) {
      this.#deliveries.start(pass.job, pass.offset, record.slice(1));
    } else if (!record.startsWith("D")) {
      log(`warning: unknown record type in ${pass.path}!\n`);
      this.#end(channel, pass);
    }
    pass.offset += (record?.length ?? 0) + 1;
  }

  #end(channel: Channel, pass: Pass): void {
    pass.records.close();
    this.#passes[channel] = undefined;
    this.#jobs.release(pass.job);
  }
}
