/**
 * What is due when. A preprocessed message is in the heap of each channel that has recipients to be tried (but for
 * those a job has in hand), or among the done; what could not be looked at is among the failed.
 */
import { isSystemError } from "../../core/exit.ts";
import type { Holds } from "../../core/queue/holds.ts";
import { type Channel, channels } from "./channel.ts";
import { type Context, type QueueDisk, recipientsPath } from "./context.ts";
import { DueHeap } from "./heap.ts";

/** The four heaps, and what keeps messages out of them. */
export class Schedule {
  readonly holds: Holds;
  /** True while orders that a crash interrupted are not carried out: no message is touched before. */
  closed = false;
  readonly channels: readonly [DueHeap, DueHeap] = [new DueHeap(), new DueHeap()];
  /** No recipients left: to be ended. */
  readonly done = new DueHeap();
  /** To be enrolled again. */
  readonly failed = new DueHeap();

  constructor(holds: Holds) {
    this.holds = holds;
  }

  /** A message has recipients to be tried then; held ones stay out until they are released. */
  insert(channel: Channel, id: bigint, at: number): void {
    if (!this.holds.has(id)) this.channels[channel].insert(id, at);
  }

  takeOut(ids: ReadonlySet<bigint>): void {
    for (const heap of this.#all()) heap.takeOut(ids);
  }

  makeDue(ids: ReadonlySet<bigint>, now: number): void {
    for (const heap of this.#all()) heap.makeDue(ids, now);
  }

  #all(): readonly DueHeap[] {
    return [...this.channels, this.done, this.failed];
  }

  /** ALRM: every message is due. */
  makeAllDue(now: number): void {
    for (const heap of this.channels) heap.makeAllDue(now);
  }

  /** The clock was set back: what was due later is due now, or it would be in years. */
  forgetTimes(now: number): void {
    for (const heap of this.#all()) heap.makeAllDue(now);
  }
}

/** Looks at files and remembers at which one, for the log. */
export class Look {
  path = "";
  readonly #disk: QueueDisk;
  constructor(disk: QueueDisk) {
    this.#disk = disk;
  }

  at(path: string): ReturnType<QueueDisk["status"]> {
    this.path = path;
    return this.#disk.status(path);
  }
}

/**
 * At the end: the next attempts are written into the times of the recipient lists, for the next start. Most messages
 * were not tried since the last, and looking costs a fifth of writing.
 */
export function recordSchedule({ disk, schedule, log }: Context): void {
  for (const channel of channels) {
    const heap = schedule.channels[channel];
    for (let due = heap.take(); due !== undefined; due = heap.take()) recordTime(due.id, due.at, channel);
  }

  function recordTime(id: bigint, at: number, channel: Channel): void {
    const path = recipientsPath(disk, channel, id);
    try {
      if (disk.status(path)?.modified !== at) disk.touch(path, at);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to utime ${path}; message will be retried too soon\n`);
    }
  }
}
