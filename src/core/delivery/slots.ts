/**
 * What qmail-lspawn and qmail-rspawn share: the slots between two descriptors. Commands come in on descriptor 0, each
 * naming a slot; deliveries run side by side; each report goes out on descriptor 1 with its slot's number in front and
 * a NUL behind.
 */
import { statSync } from "node:fs";
import { bytes } from "../bytes/text.ts";
import { isSystemError, temporary } from "../exit.ts";
import { errorText } from "../sys/errors.ts";
import { writeAll } from "../sys/fd.ts";
import { hangUp } from "../sys/hang-up.ts";
import { inHome } from "../sys/home.ts";
import { arrivals } from "../sys/input.ts";
import { openFileLimit } from "../sys/limits.ts";
import { type Command, CommandReader } from "./command.ts";
import { type Message, OpenMessages } from "./open-message.ts";
import { encodeSlot, type SlotWidth, takeSlotWidth } from "./slot-number.ts";
import { DeliveryTrouble } from "./trouble.ts";

/** How many deliveries a spawner runs at once for any qmail-send; told in the first byte. */
const spawnLimit = 120;

/** How many at most for our own. */
const wideLimit = 4000;

/** Descriptors of a delivery at most, and those that the process itself needs. */
const ofDelivery = 4;
const ofProcess = 100;

function limitFor(width: SlotWidth): number {
  if (width === 1) return spawnLimit;
  const room = Math.floor((openFileLimit() - ofProcess) / ofDelivery);
  return Math.min(wideLimit, Math.max(spawnLimit, room));
}

/** One delivery to make. */
export interface Delivery {
  message: Message;
  sender: Buffer;
  recipient: Buffer;
  /** The recipient before its last @. */
  local: Buffer;
  /** The recipient behind its last @. */
  host: Buffer;
}

/** What one of the two programs does with a delivery. The report begins with K, Z or D and holds no NUL. */
export type Deliver = (delivery: Delivery) => Promise<Buffer>;

const trouble = {
  memory: "Zqmail-spawn out of memory. (#4.3.0)\n",
  tooBig: "ZInternal error: delnum too big. (#4.3.5)\n",
  inUse: "ZInternal error: delnum in use. (#4.3.5)\n",
  nonNumeric: "DInternal error: messid has nonnumerics. (#5.3.5)\n",
  tooLong: "DInternal error: messid too long. (#5.3.5)\n",
  tooShort: "DInternal error: messid too short. (#5.3.5)\n",
  noHost: "DSorry, address must include host name. (#5.1.3)\n",
} as const;

/** Room for the name of a message below queue/mess. */
const nameLimit = 99;
const at = 64;

/** The directory of the messages; exit 111 if it can not be entered. */
export function enterMessages(program: string): string {
  const directory = inHome("queue/mess");
  try {
    process.chdir(directory);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${program}: fatal: unable to chdir to ${directory}: ${errorText(failure.errno)}\n`);
  }
  return directory;
}

/** Serves until descriptor 0 ends and the last delivery is over. The current directory is queue/mess. */
export async function serve(deliver: Deliver): Promise<void> {
  const width = takeSlotWidth();
  const limit = limitFor(width);
  const slots: Slots = {
    deliver,
    limit,
    messages: new OpenMessages(statSync(inHome("queue")).uid),
    busy: new Map(),
    reports: new Reports(width),
  };
  slots.reports.add(encodeSlot(limit, width));
  const reader = new CommandReader(width);
  try {
    for await (const piece of arrivals(0)) {
      for (const command of reader.feed(piece)) begin(command, slots);
    }
  } catch (failure) {
    // A descriptor that can not be read any more is at its end.
    if (!isSystemError(failure)) throw failure;
  }
  await Promise.all(slots.busy.values());
  slots.reports.flush();
}

interface Slots {
  deliver: Deliver;
  /** How many deliveries there can be at once. */
  limit: number;
  messages: OpenMessages;
  /** The deliveries under way, by number. */
  busy: Map<number, Promise<void>>;
  reports: Reports;
}

/** Starts a delivery in its slot, or reports why not. */
function begin(command: Command, { deliver, limit, messages, busy, reports }: Slots): void {
  const { delivery: number } = command;
  let delivery: Delivery;
  try {
    check(command, limit, busy.has(number));
    delivery = prepare(command, messages);
  } catch (failure) {
    reports.send(number, reportOf(failure));
    return;
  }
  const over = deliver(delivery)
    .catch(reportOf)
    .then((report) => {
      delivery.message.close();
      busy.delete(number);
      reports.send(number, report);
    });
  busy.set(number, over);
}

/** The checks of a command itself, in the reference's order. */
function check({ delivery, message, recipient, tooLong }: Command, limit: number, inUse: boolean): void {
  if (tooLong) throw new DeliveryTrouble(trouble.memory);
  if (delivery >= limit) throw new DeliveryTrouble(trouble.tooBig);
  if (inUse) throw new DeliveryTrouble(trouble.inUse);
  if (!isMessageName(message)) throw new DeliveryTrouble(trouble.nonNumeric);
  if (message.length > nameLimit) throw new DeliveryTrouble(trouble.tooLong);
  if (message.length === 0) throw new DeliveryTrouble(trouble.tooShort);
  if (!recipient.includes(at)) throw new DeliveryTrouble(trouble.noHost);
}

/** Digits, and slashes but in front. */
const isMessageName = (name: Buffer): boolean => /^(?:\d[\d/]*)?$/.test(name.toString("latin1"));

/** Opens the message and cuts the recipient. */
function prepare({ message, sender, recipient }: Command, messages: OpenMessages): Delivery {
  const cut = recipient.lastIndexOf(at);
  return {
    message: messages.open(message.toString()),
    sender,
    recipient,
    local: recipient.subarray(0, cut),
    host: recipient.subarray(cut + 1),
  };
}

/** A delivery that failed in a way nobody foresaw waits in the queue, and the log says why; the others go on. */
function reportOf(failure: unknown): Buffer {
  if (failure instanceof DeliveryTrouble) return bytes(failure.report);
  return Buffer.from(`Zqmail-spawn failed: ${failure instanceof Error ? failure.message : failure}\n`);
}

/**
 * Descriptor 1. When qmail-send is gone, deliveries are finished for nobody's ears. Where a report could not be written
 * for another reason, qmail-send would wait for it for ever: it is told by the end of the reports that we are lost.
 */
class Reports {
  readonly #width: SlotWidth;
  #waiting: Buffer[] = [];
  #open = true;

  constructor(width: SlotWidth) {
    this.#width = width;
  }

  send(delivery: number, report: Buffer): void {
    this.add(encodeSlot(delivery, this.#width), report, Buffer.of(0));
  }

  /** Those that are ready at the same time travel together. */
  add(...pieces: Buffer[]): void {
    if (this.#waiting.length === 0) queueMicrotask(() => this.flush());
    this.#waiting.push(...pieces);
  }

  flush(): void {
    const piece = Buffer.concat(this.#waiting.splice(0));
    if (!this.#open || piece.length === 0) return;
    try {
      writeAll(1, piece);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#open = false;
      hangUp(1);
    }
  }
}
