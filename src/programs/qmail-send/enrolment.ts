/**
 * What an earlier qmail-send left is taken into the schedule. Few files are looked at: which there are, the folders
 * tell, each read once. So 200,000 messages take a second or two.
 */
import { dirname } from "node:path";
import { isSystemError } from "../../core/exit.ts";
import { IdSet } from "../../core/queue/id-set.ts";
import type { QueueDirectory } from "../../core/queue/paths.ts";
import { type Channel, channels, channelTable, latestAttempt } from "./channel.ts";
import type { Cleaner } from "./cleaner.ts";
import { type Context, patience, type QueueDisk, recipientsPath } from "./context.ts";
import type { Jobs } from "./jobs.ts";
import { Look } from "./schedule.ts";

/** Goes through the folders of info. */
export class Enrolment {
  readonly #context: Context;
  #folder = 0;
  #todo: IdSet | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** False: a folder could not be read; it is the first to be read at the next call. */
  run(): boolean {
    const { disk } = this.#context;
    this.#todo = listed(disk, "todo");
    for (; this.#folder < disk.folders("info"); this.#folder++) if (!this.#enrollFolder()) return false;
    this.#todo = undefined;
    return true;
  }

  #enrollFolder(): boolean {
    const { disk, log } = this.#context;
    const folder = this.#folder;
    let directories = `info/${folder}`;
    try {
      const ids = disk.list("info", folder);
      directories = `local/${folder} and remote/${folder}`;
      this.#take(
        ids,
        channels.map((channel) => disk.list(channelTable[channel].name, folder)),
      );
      return true;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`alert: unable to opendir ${directories}, sleeping...\n`);
      return false;
    }
  }

  /**
   * Where a message is not whole, or it is not known whether it is, its files are looked at one by one. Lists without
   * info, and what could not be looked at, may be what is left of a message that is gone.
   */
  #take(ids: readonly bigint[], lists: readonly (readonly bigint[])[]): void {
    const { disk, schedule, leftovers } = this.#context;
    const known = new IdSet(ids);
    for (const id of lists.flat()) if (!known.has(id)) leftovers.add(id);
    const messages = listed(disk, "mess", this.#folder);
    const recipients = lists.map((list) => new IdSet(list));
    for (const id of ids) {
      const isWhole = messages?.has(id) === true && this.#todo?.has(id) === false;
      const on = channels.filter((channel) => recipients[channel]?.has(id) === true);
      const failed = schedule.failed.length;
      enroll(this.#context, id, isWhole ? on : undefined);
      if (schedule.failed.length > failed) leftovers.add(id);
    }
  }
}

/** The messages that have a file in a directory; undefined where it cannot be read. */
export function listed(disk: QueueDisk, directory: QueueDirectory, folder?: number): IdSet | undefined {
  try {
    return new IdSet(disk.list(directory, folder));
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}

/** Takes a message into the schedule. `on`: it is whole, and has recipients on no other channels. */
function enroll(
  context: Context,
  id: bigint,
  on?: readonly Channel[],
  busy: (channel: Channel) => boolean = () => false,
): void {
  const { disk, schedule, now, log } = context;
  const look = new Look(disk);
  try {
    if (on === undefined && !isPreprocessed(context, look, id)) return;
    const times = (on ?? channels).map((channel) => look.at(recipientsPath(disk, channel, id))?.modified);
    for (const [index, channel] of (on ?? channels).entries()) {
      const time = times[index];
      if (time === undefined || busy(channel)) continue;
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

/** Whether it is, and is there. What an end that a power cut undid in part has left is removed. */
function isPreprocessed(context: Context, look: Look, id: bigint): boolean {
  const { disk } = context;
  if (!look.at(disk.path("info", id))) return false;
  // todo still there: a crash came before preprocessing was over, and it will be done again.
  if (look.at(disk.path("todo", id))) return false;
  if (!isRemains(look, disk, id)) return true;
  removeRemains(context, id);
  return false;
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

/**
 * Enrolls one message of the failed, if one is due. Meanwhile an order, or the end of a delivery, may have brought it
 * into the schedule: twice there, its recipients would be tried twice at a time.
 */
export function enrollFailed(context: Context, jobs: Jobs, cleaner: Cleaner): boolean {
  const { schedule, now } = context;
  const id = schedule.failed.takeDue(now);
  if (id === undefined) return false;
  // Preprocessed just now, it comes in by itself.
  if (cleaner.has(`todo/${id}`)) return true;
  schedule.takeOut(new Set([id]));
  enroll(context, id, undefined, (channel) => jobs.busy(id, channel));
  return true;
}
