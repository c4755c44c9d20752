/** A message that stands in todo: its envelope, read and routed, and what the log says of it. */
import type { Channel } from "./channel.ts";
import type { Context, Records } from "./context.ts";
import { logSafe } from "./log.ts";
import { Trouble, trying } from "./trouble.ts";

/** Up to so many recipients a message is held in memory, and may be tried straight from todo. */
export const few = 16;

/** A routed recipient. */
export interface Recipient {
  readonly channel: Channel;
  readonly address: string;
  /** Where its record is in the list of its channel. */
  readonly offset: number;
  done: boolean;
}

/** The envelope in todo/ID. */
export class Envelope {
  readonly id: bigint;
  /** Its lines of the log. */
  lines = "";
  /** One, in any message of qmail-queue's. */
  readonly senders: string[] = [];
  /** The first of them; all, if whole. */
  readonly recipients: Recipient[] = [];
  readonly #context: Context;
  readonly #path: string;
  readonly #counts: [number, number] = [0, 0];
  readonly #lengths: [number, number] = [0, 0];
  #size = 0;
  #uid = "0";
  #pid = "0";
  /** Open while there are records to be read. */
  #records: Records | undefined;

  constructor(context: Context, id: bigint) {
    this.#context = context;
    this.id = id;
    this.#path = context.disk.path("todo", id);
  }

  /** Reads all of it, or of one with many recipients the beginning. Throws Trouble; then, too, it has to be closed. */
  open(): void {
    const { disk } = this.#context;
    this.#records = trying(`unable to open ${this.#path}`, () => disk.open(this.#path));
    this.#size = this.#sizeOfMessage();
    this.#context.leftovers.remove(this.id);
    this.lines = `new msg ${this.id}\n`;
    while (this.recipients.length <= few) {
      const record = this.#next();
      if (record === undefined) break;
      const recipient = this.#understand(record);
      if (recipient !== undefined) this.recipients.push(recipient);
    }
  }

  /** Whether there is no more to be read. */
  get whole(): boolean {
    return this.#records === undefined;
  }

  /** How many recipients there are on a channel, of those that were read. */
  count(channel: Channel): number {
    return this.#counts[channel];
  }

  /** All recipients. */
  *all(): Generator<Recipient> {
    yield* this.recipients;
    for (let record = this.#next(); record !== undefined; record = this.#next()) {
      const recipient = this.#understand(record);
      if (recipient !== undefined) yield recipient;
    }
  }

  close(): void {
    this.#records?.close();
    this.#records = undefined;
  }

  #next(): string | undefined {
    const record = trying(`trouble reading ${this.#path}`, () => this.#records?.next());
    if (record === undefined) this.close();
    return record;
  }

  /** For the log. */
  #sizeOfMessage(): number {
    const path = this.#context.disk.path("mess", this.id);
    const status = trying(`unable to stat ${path}`, () => this.#context.disk.status(path));
    if (status === undefined) throw new Trouble(`unable to stat ${path}`);
    return status.size;
  }

  #understand(record: string): Recipient | undefined {
    const text = record.slice(1);
    switch (record[0]) {
      case "u":
        this.#uid = leadingDigits(text);
        break;
      case "p":
        this.#pid = leadingDigits(text);
        break;
      case "F":
        this.senders.push(text);
        this.lines += `info msg ${this.id}: bytes ${this.#size} from <${logSafe(text)}> qp ${this.#pid} uid ${this.#uid}\n`;
        break;
      case "T":
        return this.#routed(text);
      default:
        throw new Trouble(`unknown record type in ${this.#path}`);
    }
    return undefined;
  }

  #routed(recipient: string): Recipient {
    const { channel, address } = this.#context.routing.route(recipient);
    const offset = this.#lengths[channel];
    this.#counts[channel]++;
    this.#lengths[channel] += recordOf(address).length;
    return { channel, address, offset, done: false };
  }
}

/** The record of a recipient list. */
export const recordOf = (address: string, done = false): string => `${done ? "D" : "T"}${address}\0`;

/** The number in front, as it would be printed; `0` without one. */
function leadingDigits(text: string): string {
  return /^0*(\d*)/.exec(text)?.[1] || "0";
}
