/** What waits in the queue: how much, since when, and for whom. Reading it changes nothing. */
import { closeSync, existsSync, fstatSync, openSync, statSync } from "node:fs";
import { isSystemError } from "../../exit.ts";
import { type Counted, Tally } from "../../log/tally.ts";
import { countFiles, messagesIn, UnreadableDirectory } from "../../queue/list.ts";
import { queuePath, queueRoot } from "../../queue/paths.ts";
import { errorText } from "../../sys/errors.ts";
import { Reader } from "../../sys/fd.ts";
import { fail } from "../trouble.ts";

const channels = ["local", "remote"] as const;
export type Channel = (typeof channels)[number];

/** Upper ends of the classes of age, in seconds. */
export const ageClasses = [60, 600, 3600, 6 * 3600, 86400, 3 * 86400, Number.POSITIVE_INFINITY] as const;

/** What waits on one channel; bytes count once a message. */
export interface Waiting {
  messages: number;
  recipients: number;
  bytes: number;
  /** Age in seconds; null: there is none. */
  oldest: number | null;
}

/** A host or local domain for which something waits. */
export interface DestinationRow extends Waiting {
  channel: Channel;
  name: string;
}

/** The queue at one moment. */
export interface QueueState extends Waiting {
  /** Not yet preprocessed. */
  unprocessed: number;
  /** With failures that were not yet told. */
  bouncing: number;
  channels: Record<Channel, Waiting>;
  /** Messages by age; `to` is in seconds, null for the last. */
  ages: { to: number | null; messages: number }[];
  destinations: DestinationRow[];
}

const nothing = (): Waiting => ({ messages: 0, recipients: 0, bytes: 0, oldest: null });

/** Looks at all of the queue. `rows`: how many destinations to name. Fails (111) where it can not be read. */
export function readQueue(now: number, rows: number): QueueState {
  const queue = new Collection(now);
  try {
    for (const id of messagesIn("info")) queue.add(id);
    const unprocessed = countFiles("todo", (path, cause) => {
      throw new UnreadableDirectory(path, cause);
    });
    return { ...queue.state(rows), unprocessed };
  } catch (failure) {
    if (!(failure instanceof UnreadableDirectory) || !isSystemError(failure.cause)) throw failure;
    throw fail(`unable to read ${queueRoot()}/${failure.path}: ${errorText(failure.cause.code)}`);
  }
}

class Collection {
  readonly #now: number;
  readonly #all = nothing();
  readonly #channels = { local: nothing(), remote: nothing() };
  readonly #ages = ageClasses.map(() => 0);
  readonly #destinations = new Tally(["recipients", "messages", "bytes"]);
  /** The first arrival of what waits for each destination. */
  readonly #oldest = new Map<string, number>();
  #bouncing = 0;

  constructor(now: number) {
    this.#now = now;
  }

  add(id: bigint): void {
    const message = ifThere(() => ({
      bytes: statSync(queuePath("mess", id)).size,
      born: statSync(queuePath("info", id)).mtimeMs / 1000,
    }));
    if (message === undefined) return;
    const age = Math.max(0, this.#now - message.born);
    count(this.#all, 0, message.bytes, age);
    const place = ageClasses.findIndex((end) => age <= end);
    this.#ages[place] = (this.#ages[place] ?? 0) + 1;
    if (existsSync(queuePath("bounce", id))) this.#bouncing++;
    for (const channel of channels) {
      const hosts = ifThere(() => waitingHosts(queuePath(channel, id)));
      if (hosts === undefined || hosts.size === 0) continue;
      const recipients = [...hosts.values()].reduce((sum, each) => sum + each, 0);
      count(this.#channels[channel], recipients, message.bytes, age);
      this.#all.recipients += recipients;
      for (const [host, waiting] of hosts)
        this.#addDestination(`${channel} ${host}`, waiting, message.bytes, age);
    }
  }

  #addDestination(name: string, recipients: number, bytes: number, age: number): void {
    this.#destinations.add(name, { recipients, messages: 1, bytes });
    this.#oldest.set(name, Math.max(age, this.#oldest.get(name) ?? 0));
  }

  state(rows: number): Omit<QueueState, "unprocessed"> {
    return {
      ...this.#all,
      bouncing: this.#bouncing,
      channels: this.#channels,
      ages: this.#ages.map((messages, index) => {
        const to = ageClasses[index] ?? Number.POSITIVE_INFINITY;
        return { to: Number.isFinite(to) ? to : null, messages };
      }),
      destinations: this.#destinations.top(rows).map((row) => this.#destination(row)),
    };
  }

  #destination({ name: key, ...waiting }: Counted<"recipients" | "messages" | "bytes">): DestinationRow {
    const blank = key.indexOf(" ");
    const channel = key.startsWith("local") ? "local" : "remote";
    return { channel, name: key.slice(blank + 1), ...waiting, oldest: this.#oldest.get(key) ?? null };
  }
}

function count(waiting: Waiting, recipients: number, bytes: number, age: number): void {
  waiting.messages++;
  waiting.recipients += recipients;
  waiting.bytes += bytes;
  waiting.oldest = Math.max(age, waiting.oldest ?? 0);
}

/** Recipients that are not done, by their host in small letters. */
function waitingHosts(path: string): Map<string, number> {
  const hosts = new Map<string, number>();
  const fd = openSync(path, "r");
  try {
    if (fstatSync(fd).size === 0) return hosts;
    const reader = new Reader(fd);
    for (let record = reader.line(0); record?.at(-1) === 0; record = reader.line(0)) {
      const text = record.toString("latin1", 0, record.length - 1);
      if (!text.startsWith("T")) continue;
      const host = text.slice(text.lastIndexOf("@") + 1).toLowerCase();
      hosts.set(host, (hosts.get(host) ?? 0) + 1);
    }
    return hosts;
  } finally {
    closeSync(fd);
  }
}

/** A message may be finished while we look. */
function ifThere<Result>(look: () => Result): Result | undefined {
  try {
    return look();
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    if (isSystemError(failure)) throw fail(`unable to read the queue: ${failure.message}`);
    throw failure;
  }
}
