/** What the QMTP and QMQP servers have in common: the way into the queue, and the words at the end of it. */
import { type Receipt, receivedField } from "../mail/received.ts";
import { type Steps, settled } from "./netstring.ts";

/** What the queue made of a message: accepted, or a text whose first letter is D (permanent) or Z (temporary). */
export type IntakeVerdict =
  | { accepted: true; pid: number }
  | { accepted: false; report: string; pid: number };

/** The way into the queue for one message: the message, then from, any number of to, close. */
export interface IntakeMessage {
  message(bytes: Uint8Array): void | Promise<void>;
  from(sender: Uint8Array): void | Promise<void>;
  to(recipient: Uint8Array): void | Promise<void>;
  /** Gives the message up; only close() follows. */
  abandon(): void;
  close(): Promise<IntakeVerdict>;
}

/** The program around a session. What its methods throw ends feed(). */
export interface IntakeHost {
  /** To the client. It may wait until feed() is done. */
  reply(bytes: Buffer): void | Promise<void>;
  /** Unix time in seconds. */
  now(): number;
  open(): IntakeMessage;
}

/** Who the client is and who we are, as the connection tells. */
export type Connection = Omit<Receipt, "protocol" | "helo">;

/** Longest address that is taken. */
export const addressLimit = 999;

/** A message on its way in; after reject() nothing of it goes anywhere. */
export class Intake {
  readonly #message: IntakeMessage;
  readonly #now: () => number;
  #rejected = false;

  constructor(host: IntakeHost) {
    this.#message = host.open();
    this.#now = () => host.now();
  }

  /** The Received field of this server. */
  *received(connection: Connection, protocol: string): Steps {
    yield* this.write(receivedField({ ...connection, protocol }, this.#now()));
  }

  *write(bytes: Uint8Array): Steps {
    if (!this.#rejected) yield* settled(this.#message.message(bytes));
  }

  *from(sender: Uint8Array): Steps {
    if (!this.#rejected) yield* settled(this.#message.from(sender));
  }

  *to(recipient: Uint8Array): Steps {
    if (!this.#rejected) yield* settled(this.#message.to(recipient));
  }

  reject(): void {
    if (!this.#rejected) this.#message.abandon();
    this.#rejected = true;
  }

  /** The queue's answer: `Kok 1795387570 qp 4711`, or what it has against the message. */
  *close(): Steps<string> {
    const verdict = yield* settled(this.#message.close());
    return verdict.accepted ? `Kok ${this.#now()} qp ${verdict.pid}` : verdict.report;
  }
}
