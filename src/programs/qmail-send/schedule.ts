/**
 * What is due when. A preprocessed message is in the heap of each channel that has recipients to be tried (but for
 * those a job has in hand), or among the done; what could not be looked at is among the failed.
 */
import { dirname } from "node:path";
import { isSystemError } from "../../core/exit.ts";
import type { Holds } from "../../core/queue/holds.ts";
import { type Channel, channels, latestAttempt } from "./channel.ts";
import { type Context, patience, type QueueDisk, recipientsPath } from "./context.ts";
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

/** Takes a message found in `info` at the start into the schedule. */
export function enroll(context: Context, id: bigint): void {
  const { disk, schedule, now, log } = context;
  const look = new Look(disk);
  try {
    if (!look.at(disk.path("info", id))) return;
    // todo still there: a crash came before preprocessing was over, and it will be done again.
    if (look.at(disk.path("todo", id))) return;
    if (isRemains(look, disk, id)) {
      removeRemains(context, id);
      return;
    }
    const times = channels.map((channel) => look.at(recipientsPath(disk, channel, id))?.modified);
    for (const channel of channels) {
      const time = times[channel];
      if (time === undefined) continue;
      const latest = latestAttempt(context.settings.lifetime, now, channel);
      schedule.insert(channel, id, time > latest ? now : time);
    }
    if (times.every((time) => time === undefined)) schedule.done.insert(id, now);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    log(`warning: unable to stat ${look.path}; will try again later\n`);
    schedule.failed.insert(id, now + patience);
  }
}

/**
 * Whether the message was finished: its file in mess goes last. Only a file system that does not keep the order of
 * removals (btrfs) brings the other files back after a power cut. Where the folder is missing as well, something else
 * is wrong, and the message is kept.
 */
function isRemains(look: Look, disk: QueueDisk, id: bigint): boolean {
  const message = disk.path("mess", id);
  return look.at(message) === undefined && look.at(dirname(message)) !== undefined;
}

/** What leads to the remains goes last. */
function removeRemains({ disk, schedule, now, log }: Context, id: bigint): void {
  const recipients = channels.map((channel) => recipientsPath(disk, channel, id));
  let path = disk.path("info", id);
  log(`warning: ${disk.path("mess", id)} is gone; removing ${path} and its recipients\n`);
  try {
    for (path of [...recipients, disk.path("bounce", id), disk.path("info", id)])
      if (disk.status(path) !== undefined) disk.remove(path);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    log(`warning: unable to unlink ${path}; will try again later\n`);
    schedule.failed.insert(id, now + patience);
  }
}

/** Enrolls one message of the failed, if one is due. */
export function enrollFailed(context: Context): boolean {
  const id = context.schedule.failed.takeDue(context.now);
  if (id === undefined) return false;
  enroll(context, id);
  return true;
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

/** At the end: the next attempts are written into the times of the recipient lists, for the next start. */
export function recordSchedule({ disk, schedule, log }: Context): void {
  for (const channel of channels) {
    const heap = schedule.channels[channel];
    for (let due = heap.take(); due !== undefined; due = heap.take()) recordTime(due.id, due.at, channel);
  }

  function recordTime(id: bigint, at: number, channel: Channel): void {
    const path = recipientsPath(disk, channel, id);
    try {
      disk.touch(path, at);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to utime ${path}; message will be retried too soon\n`);
    }
  }
}
