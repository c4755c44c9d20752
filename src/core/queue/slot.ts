/** The way into the queue of one session of a server that stays: one message after the other. */
import { residentQueue } from "./resident-client.ts";
import { Submission } from "./submit.ts";

/** The message that a session has under way. */
export class MessageSlot {
  readonly #changed: Readonly<Record<string, Buffer>>;
  #message: Submission | undefined;

  /** `changed`: the variables that are this connection's own. */
  constructor(changed: Readonly<Record<string, Buffer>>) {
    this.#changed = changed;
  }

  /** Begins the next one. */
  open(): Submission {
    this.#message = new Submission(this.#changed, residentQueue());
    return this.#message;
  }

  /** Gives up what is not closed. */
  async release(): Promise<void> {
    await this.#message?.release();
  }
}
