/** The messages of the queue as they are on disk, read without disturbing whoever moves them. */
import { isSystemError } from "../exit.ts";
import { type QueueDisk, recordsOf } from "./files.ts";
import { type Lasting, readMark } from "./holds.ts";

/** A recipient. Before preprocessing nobody knows the channel. */
export interface Recipient {
  channel: "local" | "remote" | undefined;
  address: string;
  done: boolean;
}

/**
 * `new`: not yet preprocessed. `held`: no recipient is tried. `removing`, `bouncing`: that was ordered, and waits for
 * the attempt under way. `ending`: no recipients are left. `waiting`: all others.
 */
export type State = "new" | "held" | "removing" | "bouncing" | "waiting" | "ending";

/** One message. Addresses are strings whose characters are bytes; times are in seconds. */
export interface QueuedMessage {
  id: bigint;
  identity: string;
  state: State;
  /** Bytes, with the first Received field. */
  size: number;
  /** When it was preprocessed, or queued if it was not. */
  since: number;
  sender: string;
  recipients: readonly Recipient[];
  /** What failed for good and is to be told to the sender. */
  failures: boolean;
}

const channels = ["local", "remote"] as const;

/** All messages, those that are new first. A message that goes on or leaves meanwhile is seen once or not at all. */
export function* queuedMessages(disk: QueueDisk): Generator<QueuedMessage> {
  const fresh = new Set(disk.list("todo"));
  for (const id of fresh) {
    const message = queuedMessage(disk, id);
    if (message !== undefined) yield message;
  }
  for (let folder = 0; folder < disk.folders("info"); folder++) {
    for (const id of disk.list("info", folder)) {
      const message = fresh.has(id) ? undefined : queuedMessage(disk, id);
      if (message !== undefined) yield message;
    }
  }
}

/** One message; undefined: there is none of that number. */
export function queuedMessage(disk: QueueDisk, id: bigint): QueuedMessage | undefined {
  try {
    return read(disk, id);
  } catch (failure) {
    // It left while it was looked at.
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

function read(disk: QueueDisk, id: bigint): QueuedMessage | undefined {
  const identity = disk.identity(id);
  const mess = disk.status(disk.path("mess", id));
  if (identity === undefined || mess === undefined) return undefined;
  const todo = disk.status(disk.path("todo", id));
  const info = disk.status(disk.path("info", id));
  const [path, since] =
    todo !== undefined ? [disk.path("todo", id), todo.modified] : [disk.path("info", id), info?.modified];
  if (since === undefined) return undefined;
  const records = recordsOf(disk, path);
  const sender = records.find((record) => record.startsWith("F"))?.slice(1) ?? "";
  const recipients = todo !== undefined ? recipientsIn(records, undefined) : listed(disk, id);
  const mark = readMark(disk, id);
  const lasting = mark?.identity === identity ? mark.verb : undefined;
  const listless = todo === undefined && recipients === undefined;
  return {
    id,
    identity,
    state: stateOf(lasting, todo !== undefined, listless),
    size: mess.size,
    since,
    sender,
    recipients: recipients ?? [],
    failures: disk.status(disk.path("bounce", id)) !== undefined,
  };
}

function stateOf(lasting: Lasting | undefined, isNew: boolean, listless: boolean): State {
  if (lasting === "remove") return "removing";
  if (lasting === "bounce") return "bouncing";
  if (listless) return "ending";
  if (lasting === "hold") return "held";
  return isNew ? "new" : "waiting";
}

/** undefined: there are no recipient lists any more. */
function listed(disk: QueueDisk, id: bigint): Recipient[] | undefined {
  const found = channels.flatMap((channel) => {
    const path = disk.path(channel, id);
    return disk.status(path) === undefined ? [] : [recipientsIn(recordsOf(disk, path), channel)];
  });
  return found.length === 0 ? undefined : found.flat();
}

function recipientsIn(records: readonly string[], channel: Recipient["channel"]): Recipient[] {
  return records
    .filter((record) => record.startsWith("T") || record.startsWith("D"))
    .map((record) => ({ channel, address: record.slice(1), done: record.startsWith("D") }));
}
