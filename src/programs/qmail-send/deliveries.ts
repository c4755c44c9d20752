/**
 * Deliveries under way. Each has a slot on its channel, whose number the spawner hears and repeats in its report,
 * and a number of its own in the log.
 */
import { decodeSlot, encodeSlot, type SlotWidth } from "../../core/delivery/slot-number.ts";
import { isSystemError } from "../../core/exit.ts";
import { failureParagraph } from "../../core/mail/bounce.ts";
import { senderFor } from "../../core/mail/routing.ts";
import { type Channel, channels, channelTable } from "./channel.ts";
import { type Context, helpPause, recipientsPath } from "./context.ts";
import type { Job, Jobs } from "./jobs.ts";
import { logSafe } from "./log.ts";

/** A recipient being tried. `offset` is the place of its record in the recipient list. */
interface Delivery {
  number: number;
  job: Job;
  offset: number;
  recipient: string;
}

/**
 * A failure that could not be written down yet: `again` is when that is tried again, never while the message has no
 * lists. Its delivery keeps its slot, and qmail-send does not end.
 */
interface Unrecorded {
  channel: Channel;
  slot: number;
  delivery: Delivery;
  paragraph: string;
  again: number;
}

/** Bytes of a report that are kept, slot number included: a spawner is trusted to be short, but not with our memory. */
const reportLimit = 10000;

const tooOld = "I'm not going to try again; this message has been in the queue too long.\n";

/** Collects the bytes of one spawner to reports: slot number, letter and text, NUL. */
class ReportReader {
  readonly #bytes = Buffer.alloc(reportLimit);
  readonly #width: SlotWidth;
  #length = 0;

  constructor(width: SlotWidth) {
    this.#width = width;
  }

  /** Adds a byte; the report without its NUL, when it is complete. The first bytes may be NUL: they are a slot. */
  add(byte: number): { slot: number; text: string } | undefined {
    if (byte === 0 && this.#length >= this.#width) {
      const text = this.#bytes.toString("latin1", this.#width, this.#length);
      this.#length = 0;
      return { slot: decodeSlot(this.#bytes, this.#width), text };
    }
    if (this.#length < reportLimit) this.#bytes[this.#length++] = byte;
    return undefined;
  }
}

/** How many things happen in a second. */
class Pace {
  #second = 0;
  #count = 0;
  #before = 0;

  count(now: number): void {
    this.#turn(now);
    this.#count++;
  }

  /** In the second before this one, or so far in this one. */
  at(now: number): number {
    this.#turn(now);
    return Math.max(this.#before, this.#count);
  }

  #turn(now: number): void {
    if (now === this.#second) return;
    this.#before = now === this.#second + 1 ? this.#count : 0;
    this.#count = 0;
    this.#second = now;
  }
}

/** The slots of both channels. */
export class Deliveries {
  readonly #context: Context;
  readonly #jobs: Jobs;
  readonly #slots: readonly (Delivery | undefined)[][];
  readonly #used: [number, number] = [0, 0];
  readonly #alive: [boolean, boolean] = [true, true];
  readonly #reports: readonly ReportReader[];
  #unrecorded: Unrecorded[] = [];
  #nextNumber = 1;
  /** Whether the last one started was of a message straight from todo. */
  readonly #first: [boolean, boolean] = [false, false];
  /** Reports in this second and in the one before. */
  readonly #paces: readonly Pace[] = channels.map(() => new Pace());

  constructor(context: Context, jobs: Jobs) {
    this.#context = context;
    this.#jobs = jobs;
    const { concurrency, slotWidth } = context.settings;
    this.#slots = concurrency.map((limit) => new Array(limit).fill(undefined));
    this.#reports = channels.map(() => new ReportReader(slotWidth));
  }

  /** Whether a delivery can be started now. */
  available(channel: Channel): boolean {
    return (
      this.#alive[channel] &&
      this.#used[channel] < this.#context.settings.concurrency[channel] &&
      this.#context.spawners[channel].ready()
    );
  }

  /** How many deliveries can be started now. */
  room(channel: Channel): number {
    return this.available(channel) ? this.#context.settings.concurrency[channel] - this.#used[channel] : 0;
  }

  /** How many were reported in a second, lately. */
  pace(channel: Channel): number {
    return this.#paces[channel]?.at(this.#context.now) ?? 0;
  }

  /** Whether the last one that was started was of a message straight from todo. */
  wasFirst(channel: Channel): boolean {
    return this.#first[channel];
  }

  /** Whether nothing is under way that a report could still come for. */
  idle(): boolean {
    return channels.every((channel) => !this.#alive[channel] || this.#used[channel] === 0);
  }

  /** Starts one; only where available(). */
  start(job: Job, offset: number, recipient: string): void {
    const { log, spawners, disk, settings } = this.#context;
    const { channel, id, sender } = job;
    const slots = this.#slots[channel] ?? [];
    const slot = slots.indexOf(undefined);
    const number = this.#nextNumber++;
    slots[slot] = { number, job, offset, recipient };
    this.#used[channel]++;
    this.#first[channel] = job.first !== undefined;
    job.open++;
    job.holders++;
    const path = disk.path("mess", id).slice("mess/".length);
    const words = `${path}\0${senderFor(sender, recipient)}\0${recipient}\0`;
    spawners[channel].send(encodeSlot(slot, settings.slotWidth).toString("latin1") + words);
    log(`starting delivery ${number}: msg ${id} to ${channelTable[channel].name} ${logSafe(recipient)}\n`);
    this.logStatus();
  }

  logStatus(): void {
    const { log, exiting, settings } = this.#context;
    const [local, remote] = this.#used;
    const [locals, remotes] = settings.concurrency;
    log(`status: local ${local}/${locals} remote ${remote}/${remotes}${exiting ? " exitasap" : ""}\n`);
  }

  /** Bytes from a spawner. */
  receive(channel: Channel, bytes: Uint8Array): void {
    for (const byte of bytes) {
      const report = this.#reports[channel]?.add(byte);
      if (report !== undefined) this.#conclude(channel, report.slot, report.text);
    }
  }

  /** A spawner's pipe ended. What it had under way will be tried again after the next start. */
  lose(channel: Channel): void {
    if (!this.#alive[channel]) return;
    this.#alive[channel] = false;
    for (const delivery of this.#slots[channel] ?? []) delivery?.job.first?.deferred();
    this.#context.log("alert: oh no! lost spawn connection! dying...\n");
    this.#context.exiting = true;
  }

  #conclude(channel: Channel, slot: number, report: string): void {
    const { log } = this.#context;
    const delivery = this.#slots[channel]?.[slot];
    if (delivery === undefined || this.#unrecorded.some((late) => late.delivery === delivery)) {
      log("warning: internal error: delivery report out of range\n");
      return;
    }
    const gaveUp = report.startsWith("Z") && delivery.job.dying;
    const letter = gaveUp ? "D" : report.charAt(0);
    const text = gaveUp ? report.slice(1) + tooOld : report.slice(1);
    if (letter === "K") {
      log(`delivery ${delivery.number}: success: ${logSafe(text)}\n`);
      this.#mark(delivery);
    } else if (letter === "D") {
      log(`delivery ${delivery.number}: failure: ${logSafe(text)}\n`);
      const paragraph = failureParagraph(this.#context.routing.withoutPrepend(delivery.recipient), text);
      this.#recordFailure({ channel, slot, delivery, paragraph, again: 0 });
      return;
    } else {
      const why = letter === "Z" ? `deferral: ${logSafe(text)}` : "report mangled, will defer";
      log(`delivery ${delivery.number}: ${why}\n`);
      delivery.job.first?.deferred();
    }
    this.#free(channel, slot, delivery);
  }

  /** The recipient is done. If this cannot be written down it will get the message again, which is not a loss. */
  #mark({ job, offset }: Delivery): void {
    const { disk, log } = this.#context;
    job.open--;
    if (job.first?.delivered(job.channel, offset) === false) return;
    const path = recipientsPath(disk, job.channel, job.id);
    try {
      disk.mark(path, offset);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: trouble marking ${path}; message will be delivered twice!\n`);
    }
  }

  #free(channel: Channel, slot: number, delivery: Delivery): void {
    this.#jobs.release(delivery.job);
    const slots = this.#slots[channel];
    if (slots !== undefined) (slots as (Delivery | undefined)[])[slot] = undefined;
    this.#used[channel]--;
    this.#paces[channel]?.count(this.#context.now);
    this.logStatus();
  }

  /** Writes the failure down before the recipient is marked, else the sender would never hear of it. */
  #recordFailure(failed: Unrecorded): void {
    const { disk, log, now } = this.#context;
    const { channel, slot, delivery, paragraph } = failed;
    const { first } = delivery.job;
    if (first !== undefined) {
      first.failed();
      this.#unrecorded.push({ ...failed, again: Number.POSITIVE_INFINITY });
      return;
    }
    if (delivery.job.over) {
      // It is in todo, and the next start tries it again.
      this.#free(channel, slot, delivery);
      return;
    }
    try {
      disk.append(disk.path("bounce", delivery.job.id), paragraph);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log("alert: unable to append to bounce message; HELP! sleeping...\n");
      this.#unrecorded.push({ ...failed, again: now + helpPause });
      return;
    }
    this.#mark(delivery);
    this.#free(channel, slot, delivery);
  }

  /** Tries again to write down the failures whose time has come. */
  step(): boolean {
    if (this.#unrecorded.length === 0) return false;
    const { now } = this.#context;
    const isDue = ({ again, delivery }: Unrecorded): boolean =>
      again === Number.POSITIVE_INFINITY ? delivery.job.first === undefined : again <= now;
    const due = this.#unrecorded.filter(isDue);
    if (due.length === 0) return false;
    this.#unrecorded = this.#unrecorded.filter((late) => !isDue(late));
    for (const failed of due) this.#recordFailure(failed);
    return true;
  }

  wakeAt(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#unrecorded.map(({ again }) => again));
  }
}
