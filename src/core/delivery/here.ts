/**
 * Deliveries that need nobody else: a small message for a user whose ids are ours, into a Maildir and nothing else. The
 * steps and their order are those of qmail-local(8); a thread waits for the disk, so that no delivery holds up another.
 */
import { isUtf8 } from "node:buffer";
import { readSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { MaildirDelivery } from "../maildir/deliver.ts";
import type { Assignment } from "../users/lookup.ts";
import { orMaildirTrouble } from "./dotqmail-deliver.ts";
import { headerHas } from "./dotqmail-home.ts";
import { maildirLines } from "./dotqmail-recipient.ts";
import { Homes } from "./homes.ts";
import type { Message } from "./open-message.ts";
import type { Delivery } from "./slots.ts";
import { meanwhile, Together } from "./together.ts";
import { answerOf, type Done } from "./worker-words.ts";

/** Whoever copies more than this keeps others waiting, in bytes. */
const largest = 1 << 18;

export class Here {
  readonly #homes = new Homes();
  readonly #together = new Together(meanwhile);
  readonly #buffer = Buffer.allocUnsafeSlow(largest);

  /** Delivers. Undefined: it is no such delivery, and nothing was done. */
  deliver(
    { message, sender, local, host }: Delivery,
    assignment: Assignment,
    defaultDelivery: Buffer,
  ): Promise<Done> | undefined {
    const maildir = this.#homes.maildirOf(assignment, defaultDelivery);
    if (maildir === undefined || !isUtf8(maildir)) return undefined;
    const content = this.#read(message);
    const { returnPath, deliveredTo } = maildirLines({ local, host, sender });
    if (content === undefined || headerHas([content], deliveredTo)) return undefined;
    try {
      const header = Buffer.concat([returnPath, deliveredTo]);
      const begun = orMaildirTrouble(() => new MaildirDelivery(maildir, header, content));
      return this.#together.finish(begun);
    } catch (failure) {
      return Promise.resolve(answerOf(failure));
    }
  }

  /** The whole message, until the next one is read; undefined: it is long, or can not be read. */
  #read({ shared, size }: Message): Buffer | undefined {
    if (size > largest) return undefined;
    try {
      for (let length = 0; length < size; ) {
        const more = readSync(shared, this.#buffer, length, size - length, length);
        if (more === 0) return undefined;
        length += more;
      }
      return this.#buffer.subarray(0, size);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return undefined;
    }
  }
}
