/** Where qmail-inject sends a finished message. */
import { bytes } from "../../core/bytes/text.ts";
import { isSystemError, permanent, temporary } from "../../core/exit.ts";
import { Submission } from "../../core/queue/submit.ts";
import { errorText } from "../../core/sys/errors.ts";
import { Writer } from "../../core/sys/fd.ts";
import { fatal } from "./failures.ts";

/** Takes the message piece by piece. */
export interface Destination {
  write: (piece: Uint8Array) => void;
  /** The message was complete; envelope addresses are byte strings. */
  end: (sender: string, recipients: readonly string[]) => Promise<void>;
}

/** Into the queue. Left without end(), qmail-queue meets an incomplete envelope and keeps nothing. */
export class Queue implements Destination {
  readonly #submission = new Submission();
  #ended = false;

  write(piece: Uint8Array): void {
    this.#submission.message(piece);
  }

  /** Ends a message that is not to be sent, and waits until nothing is left of it. */
  async giveUp(): Promise<void> {
    if (this.#ended) return;
    this.#submission.abandon();
    await this.#submission.close();
  }

  async end(sender: string, recipients: readonly string[]): Promise<void> {
    this.#ended = true;
    this.#submission.from(bytes(sender));
    for (const recipient of recipients) this.#submission.to(bytes(recipient));
    const verdict = await this.#submission.close();
    if (verdict.accepted) return;
    const text = `${fatal} ${verdict.report.slice(1)}\n`;
    throw verdict.report.startsWith("D") ? permanent(text) : temporary(text);
  }
}

/** Onto descriptor 1. */
export class Print implements Destination {
  readonly #out = new Writer(1);

  write(piece: Uint8Array): void {
    printing(() => this.#out.write(piece));
  }

  async end(): Promise<void> {
    printing(() => this.#out.flush());
  }
}

/** Whoever reads descriptor 1 may have seen enough; a full disk is another matter. */
function printing(work: () => void): void {
  try {
    work();
  } catch (failure) {
    if (isSystemError(failure, "EPIPE")) return;
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${fatal} unable to print message: ${errorText(failure.errno)}\n`);
  }
}
