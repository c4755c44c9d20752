/**
 * Carrying out orders (qmail-queue-tools(1)). Whoever holds lock/sendmutex does: the running qmail-send, or, while none
 * runs, the tool itself. An order's file stays until all of it is done and durable, and whatever was done of it can
 * be done again, so that after a crash between any two steps the next holder of the lock completes it.
 */
import { dirname } from "node:path";
import { isSystemError, type SystemError } from "../exit.ts";
import { failureParagraph } from "../mail/bounce.ts";
import { errorText } from "../sys/errors.ts";
import type { QueueDisk } from "./files.ts";
import { type Doom, type Holds, holdDirectory } from "./holds.ts";
import type { Order, Outcome, Outcomes, Target } from "./order-words.ts";

/** Who knows what is under way and when the others are due. */
export interface Keeper {
  /** A recipient of it is being tried, or it is being preprocessed: it must be left alone for now. */
  busy(id: bigint): boolean;
  /** Its bounce is on its way, or it is being removed. */
  ending(id: bigint): boolean;
  /** None of these is due any more. */
  takeOut(ids: ReadonlySet<bigint>): void;
  /** Those of these that are waiting are due now; those under way, as soon as that is over. */
  makeDue(ids: ReadonlySet<bigint>): void;
  /** What is nowhere is due now, on every channel where nothing is under way for it; later, if it can not be looked at. */
  put(id: bigint): void;
  /** Asks qmail-clean; may throw a SystemError if that could not do it. */
  clean(request: string): void;
  /** Whether qmail-clean answers later. */
  readonly cleansLater: boolean;
  /** The end of a message was put off, durably when the order is over. */
  putOff(id: bigint): void;
  log(line: string): void;
}

/** What carrying out needs. `now` is in seconds. */
export interface Desk {
  disk: QueueDisk;
  holds: Holds;
  keeper: Keeper;
  /** The recipient as a bounce names it. */
  withoutPrepend: (recipient: string) => string;
  now: number;
}

/** The recipient lists of a message. */
const lists = ["local", "remote"] as const;

/** What has to be durable before anybody is told. */
interface Traces {
  files: string[];
  directories: string[];
}

/** Does what an order says, durably, as far as it can be done; what became of each message. */
export function carryOut(order: Order, desk: Desk): Outcomes {
  const outcomes = new Map<bigint, Outcome>();
  const traces: Traces = { files: [], directories: [] };
  // Of a message that is named twice, too: what is removed twice may take along the next message with its number.
  const targets = [...new Map(order.targets.map((target) => [target.id, target])).values()];
  const acting = targets.filter((target) => {
    const outcome = trying(() => withoutActing(order, target, desk, traces));
    if (outcome !== undefined) outcomes.set(target.id, outcome);
    return outcome === undefined;
  });
  const ids = new Set(acting.map(({ id }) => id));
  if (order.verb === "retry") desk.keeper.makeDue(ids);
  else desk.keeper.takeOut(ids);
  for (const target of acting) outcomes.set(target.id, attempt(order, target, desk, traces));
  const trouble = trying(() => makeDurable(traces, desk.disk));
  for (const [id, outcome] of outcomes) {
    if (trouble !== undefined && (outcome === "done" || outcome === "later" || outcome === "same"))
      outcomes.set(id, trouble);
    else if (order.verb === "hold" && (outcome === "done" || outcome === "later"))
      desk.keeper.log(`hold msg ${id}\n`);
  }
  return outcomes;
}

/** Does what was put off until nothing is under way any more. undefined: something still is. */
export function carryOutDoom(id: bigint, desk: Desk): Outcome | undefined {
  const doom = desk.holds.doom(id);
  if (doom === undefined) return undefined;
  const { disk, holds, keeper } = desk;
  const traces: Traces = { files: [], directories: [] };
  return trying(() => {
    if (mustWait(id, doom.verb, desk)) return undefined;
    if (disk.identity(id) !== doom.identity) {
      holds.forget(id);
      return "gone";
    }
    const wasNew = isNew(id, disk);
    keeper.takeOut(new Set([id]));
    end(id, doom, desk, traces);
    makeDurable(traces, disk);
    holds.forget(id);
    if (doom.verb === "bounce") keeper.put(id);
    // Until todo/ID is gone for sure, the mark must stay. It means no other message that gets the number.
    if (!wasNew || !keeper.cleansLater) holds.erase(id);
    return "done";
  });
}

/** The outcome where there is nothing to do. */
function withoutActing(
  { verb }: Order,
  { id, identity }: Target,
  { disk, holds, keeper }: Desk,
  traces: Traces,
): Outcome | undefined {
  if (disk.identity(id) !== identity) return "gone";
  const fresh = isNew(id, disk);
  if (keeper.ending(id)) return "over";
  if (!fresh && disk.status(disk.path("info", id)) === undefined) {
    // Finished, or removed by the first half of this very order, before a crash.
    if (verb === "remove") keeper.clean(`foop/${id}`);
    return "gone";
  }
  const doom = holds.doom(id);
  if (doom !== undefined) return doom.verb === verb ? "later" : "over";
  if (verb !== "remove" && !fresh && isOver(id, disk)) return "over";
  if (verb === "hold" && !fresh && !holds.isHeld(id) && isDone(id, disk)) return "over";
  if (verb === "hold" && holds.isHeld(id)) {
    // Perhaps by the first half of this very order, before a crash.
    traces.files.push(disk.path("hold", id));
    return "same";
  }
  if (verb === "release") traces.directories.push(holdDirectory);
  if (verb === "release" && !holds.isHeld(id)) return "same";
  return verb === "retry" && holds.isHeld(id) ? "held" : undefined;
}

/** Whether no recipient is left, and nothing but the end of its lists is missing. */
const isDone = (id: bigint, disk: QueueDisk): boolean =>
  lists.every((list) => {
    const path = disk.path(list, id);
    return disk.status(path) === undefined || recipientsLeft(disk, path).length === 0;
  });

/** Whether its lists are gone: all of its recipients are done. */
const isOver = (id: bigint, disk: QueueDisk): boolean =>
  lists.every((list) => disk.status(disk.path(list, id)) === undefined);

const isNew = (id: bigint, disk: QueueDisk): boolean => disk.status(disk.path("todo", id)) !== undefined;

/** Without its preprocessing nobody knows the channels and names of its recipients. */
const mustWait = (id: bigint, verb: Order["verb"], { disk, keeper }: Desk): boolean =>
  keeper.busy(id) || (verb === "bounce" && isNew(id, disk));

/** Acts on one message. What fails leaves it as due as it can be. */
function attempt(order: Order, target: Target, desk: Desk, traces: Traces): Outcome {
  try {
    return act(order, target, desk, traces);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    if (order.verb !== "retry" && !desk.holds.has(target.id)) desk.keeper.put(target.id);
    return failed(failure);
  }
}

function act({ verb, text }: Order, { id, identity }: Target, desk: Desk, traces: Traces): Outcome {
  const { holds, keeper } = desk;
  if (verb === "hold") {
    traces.files.push(holds.mark(id, identity, "hold"));
    return keeper.busy(id) ? "later" : "done";
  }
  if (verb === "release") {
    holds.drop(id);
    makeListsDue(id, desk);
    keeper.put(id);
  } else if (verb === "retry") {
    makeListsDue(id, desk);
  } else {
    if (mustWait(id, verb, desk) || (keeper.cleansLater && isNew(id, desk.disk))) {
      traces.files.push(holds.mark(id, identity, verb, text));
      keeper.putOff(id);
      return "later";
    }
    end(id, { verb, text }, desk, traces);
    if (holds.drop(id)) traces.directories.push(holdDirectory);
    if (verb === "bounce") keeper.put(id);
    return "done";
  }
  keeper.log(`${verb} msg ${id}\n`);
  return verb === "retry" && keeper.busy(id) ? "later" : "done";
}

/** The time of a recipient list is when the message is due after the next start. */
function makeListsDue(id: bigint, { disk, now }: Desk): void {
  for (const list of lists) {
    const path = disk.path(list, id);
    if (disk.status(path) !== undefined) disk.touch(path, now);
  }
}

function end(id: bigint, { verb, text }: Omit<Doom, "identity">, desk: Desk, traces: Traces): void {
  // Nothing was durable when it left todo, be it long ago: if it came back, it would be a new message.
  traces.directories.push("todo");
  if (verb === "remove") removeMessage(id, desk, traces);
  else failRecipients(id, text, desk, traces);
}

/** In the order in which a finished message leaves (queue(5)): after any part of it, a restart knows what to do. */
function removeMessage(id: bigint, { disk, keeper }: Desk, traces: Traces): void {
  for (const directory of [...lists, "bounce", "info"] as const) {
    const path = disk.path(directory, id);
    if (disk.status(path) === undefined) continue;
    disk.remove(path);
    // A bounce that comes back is nobody's without info.
    if (directory !== "bounce") traces.directories.push(dirname(path));
  }
  if (isNew(id, disk)) keeper.clean(`todo/${id}`);
  keeper.log(`remove msg ${id}\nend msg ${id}\n`);
  keeper.clean(`foop/${id}`);
}

/** Every recipient that is left has failed: written down durably before it is marked, as for any failure. */
function failRecipients(
  id: bigint,
  text: string,
  { disk, keeper, withoutPrepend }: Desk,
  traces: Traces,
): void {
  let count = 0;
  for (const list of lists) {
    const path = disk.path(list, id);
    if (disk.status(path) === undefined) continue;
    const left = recipientsLeft(disk, path);
    if (left.length === 0) continue;
    const paragraphs = left.map(({ recipient }) => failureParagraph(withoutPrepend(recipient), text));
    disk.append(disk.path("bounce", id), paragraphs.join(""));
    for (const { offset } of left) disk.mark(path, offset);
    traces.files.push(path);
    count += left.length;
  }
  if (count > 0) keeper.log(`give up msg ${id}: recipients ${count}\n`);
}

/** The recipients of a list that are not done, and where their records are. */
function recipientsLeft(disk: QueueDisk, path: string): { offset: number; recipient: string }[] {
  const found: { offset: number; recipient: string }[] = [];
  const records = disk.open(path);
  try {
    let offset = 0;
    for (let record = records.next(); record !== undefined; record = records.next()) {
      if (record.startsWith("T")) found.push({ offset, recipient: record.slice(1) });
      offset += record.length + 1;
    }
  } finally {
    records.close();
  }
  return found;
}

function makeDurable({ files, directories }: Traces, disk: QueueDisk): undefined {
  if (files.length > 0) disk.barrier(files);
  if (directories.length > 0) disk.settle(directories);
}

function failed(failure: SystemError): Outcome {
  const path = "path" in failure && typeof failure.path === "string" ? `${failure.path}: ` : "";
  return { failed: `${path}${errorText(failure.code)}` };
}

/** A failed system call becomes the outcome. */
function trying(step: () => Outcome | undefined): Outcome | undefined {
  try {
    return step();
  } catch (failure) {
    if (isSystemError(failure)) return failed(failure);
    throw failure;
  }
}
