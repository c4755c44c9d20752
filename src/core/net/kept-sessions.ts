/**
 * Connections whose session goes on: kept for a short while, in case that the next message goes the same way.
 */
import { bytes } from "../bytes/text.ts";
import type { StreamLine } from "../sys/network-line.ts";
import type { Session } from "../wire/smtp-client.ts";

/** A connection with a session between two messages. */
export interface KeptSession {
  line: StreamLine;
  /** The server's address, as it appears in reports. */
  partner: string;
  session: Session;
  /** How many messages it has had. */
  messages: number;
  /** When it was made, as Date.now() counts. */
  since: number;
}

/** Bounds, in milliseconds and numbers. */
export interface KeepingLimits {
  /** How long a connection waits for the next message, */
  idle: number;
  /** how long after its beginning it may get another one, */
  age: number;
  /** how many messages it may have, */
  messages: number;
  /** and how many connections wait in all. */
  waiting: number;
}

export const standardLimits: KeepingLimits = { idle: 1000, age: 300_000, messages: 100, waiting: 100 };

interface Waiting {
  key: string;
  kept: KeptSession;
  timer: ReturnType<typeof setTimeout>;
}

export class KeptSessions {
  readonly #limits: KeepingLimits;
  /** In the order in which they began to wait. */
  readonly #waiting = new Set<Waiting>();

  constructor(limits: KeepingLimits = standardLimits) {
    this.#limits = limits;
  }

  /** The session that began to wait last, which is the least likely to be closed; it is the caller's now. */
  take(key: string): KeptSession | undefined {
    const entry = [...this.#waiting].findLast((candidate) => candidate.key === key);
    if (entry === undefined) return undefined;
    this.#remove(entry);
    return entry.kept;
  }

  /** Keeps a session, or ends it. */
  put(key: string, kept: KeptSession): void {
    const { idle, age, messages, waiting } = this.#limits;
    if (!kept.line.quiet || kept.messages >= messages || Date.now() - kept.since >= age) {
      leave(kept);
      return;
    }
    const entry: Waiting = { key, kept, timer: setTimeout(() => this.#end(entry), idle) };
    // Whatever a server says unasked, it is the end: a time-out, most likely.
    kept.line.watch(() => this.#end(entry));
    this.#waiting.add(entry);
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size > waiting) this.#end(oldest);
  }

  /** Ends all that wait. */
  end(): void {
    for (const entry of this.#waiting) this.#end(entry);
  }

  #end(entry: Waiting): void {
    this.#remove(entry);
    leave(entry.kept);
  }

  #remove(entry: Waiting): void {
    clearTimeout(entry.timer);
    entry.kept.line.watch(undefined);
    this.#waiting.delete(entry);
  }
}

const leave = ({ line }: KeptSession): void => line.leave(bytes("QUIT\r\n"));
