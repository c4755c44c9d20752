/**
 * Ending messages: the bounce, if there were failures, then the info file, then the message itself. Every prefix of
 * this order is a state from which the next start goes on.
 */
import { isSystemError } from "../../core/exit.ts";
import {
  bounceEnvelope,
  bounceHead,
  bounceMiddle,
  bounceRecipient,
  doubleBounceSender,
} from "../../core/mail/bounce.ts";
import { channels } from "./channel.ts";
import type { Cleaner } from "./cleaner.ts";
import { type Context, type Injection, patience, recipientsPath } from "./context.ts";
import { readInfo } from "./passes.ts";
import { Look } from "./schedule.ts";

/** Bounces that may be on their way into the queue at the same time. */
const injectionLimit = 4;

/** Ends the messages in schedule.done. */
export class Finisher {
  readonly #context: Context;
  readonly #cleaner: Cleaner;
  readonly #injecting = new Set<bigint>();

  constructor(context: Context, cleaner: Cleaner) {
    this.#context = context;
    this.#cleaner = cleaner;
  }

  /** Whether the bounce of a message is on its way. */
  injecting(id: bigint): boolean {
    return this.#injecting.has(id);
  }

  /** Whether no bounce is on its way. */
  idle(): boolean {
    return this.#injecting.size === 0;
  }

  wakeAt(): number {
    return this.#canWork() ? this.#context.schedule.done.firstTime : Number.POSITIVE_INFINITY;
  }

  /** Ends one message, if one is due. */
  step(): boolean {
    const { schedule, now } = this.#context;
    const id = this.#canWork() ? schedule.done.takeDue(now) : undefined;
    if (id === undefined) return false;
    if (!this.#injecting.has(id)) this.#end(id);
    return true;
  }

  #canWork(): boolean {
    const { closed } = this.#context.schedule;
    return !closed && this.#cleaner.ready() && this.#injecting.size < injectionLimit;
  }

  #later(id: bigint): void {
    this.#context.schedule.done.insert(id, this.#context.now + patience);
  }

  #end(id: bigint): void {
    const { disk, log } = this.#context;
    const look = new Look(disk);
    try {
      if (channels.some((channel) => look.at(recipientsPath(disk, channel, id)))) return;
      if (look.at(disk.path("todo", id)) || !look.at(disk.path("info", id))) return;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to stat ${look.path}; will try again later\n`);
      this.#later(id);
      return;
    }
    this.#bounce(id);
  }

  #bounce(id: bigint): void {
    const { disk, log } = this.#context;
    const info = readInfo(this.#context, id);
    if (info === undefined) {
      this.#later(id);
      return;
    }
    const failures = disk.path("bounce", id);
    try {
      if (disk.status(failures) === undefined) {
        this.#remove(id);
        return;
      }
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to stat ${failures}\n`);
      this.#later(id);
      return;
    }
    if (info.sender === doubleBounceSender) {
      log(`triple bounce: discarding ${failures}\n`);
      this.#removeBounce(id, failures);
    } else {
      this.#inject(id, bounceRecipient(info.sender), failures);
    }
  }

  #inject(id: bigint, sender: string, failures: string): void {
    const { inject, settings, now, disk } = this.#context;
    this.#injecting.add(id);
    const notice = {
      ...bounceEnvelope(sender, settings.bounces),
      head: bounceHead(sender, settings.bounces, now),
      middle: bounceMiddle(sender),
      failures,
      message: disk.path("mess", id),
    };
    inject(notice, (injection, finished) => {
      this.#context.now = finished;
      this.#injecting.delete(id);
      this.#injected(id, injection, failures);
    });
  }

  #injected(id: bigint, injection: Injection, failures: string): void {
    const { log } = this.#context;
    if (injection.result === "queued") {
      log(`bounce msg ${id} qp ${injection.pid}\n`);
      this.#removeBounce(id, failures);
      return;
    }
    log(
      injection.result === "unstarted"
        ? "warning: unable to start qmail-queue, will try later\n"
        : "warning: trouble injecting bounce message, will try later\n",
    );
    this.#later(id);
  }

  #removeBounce(id: bigint, failures: string): void {
    try {
      this.#context.disk.remove(failures);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#context.log(`warning: unable to unlink ${failures}\n`);
      this.#later(id);
      return;
    }
    this.#remove(id);
  }

  /** -todo +info -local -remote -bounce */
  #remove(id: bigint): void {
    const { disk, log } = this.#context;
    const info = disk.path("info", id);
    log(`end msg ${id}\n`);
    try {
      disk.remove(info);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to unlink ${info}; will try again later\n`);
      this.#later(id);
      return;
    }
    this.#forget(id);
    this.#cleaner.removeMessage(id);
  }

  /** It was held while its last recipients were tried. A mark that stays means no other message. */
  #forget(id: bigint): void {
    const { schedule, log, disk } = this.#context;
    try {
      schedule.holds.drop(id);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to unlink ${disk.path("hold", id)}\n`);
    }
  }
}
