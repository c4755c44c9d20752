/**
 * Connections whose session goes on: kept for a short while, in case that the next message goes the same way.
 */
import { bytes } from "../bytes/text.ts";
import type { StreamLine } from "../sys/stream-line.ts";
import type { OpenSession } from "./remote-delivery.ts";

/** A connection with a session between two messages. */
export type KeptSession = OpenSession<StreamLine>;

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
  /** When it has waited enough, as performance.now() counts. */
  until: number;
}

export class KeptSessions {
  readonly #limits: KeepingLimits;
  /** In the order in which they began to wait, and so in which they have waited enough. */
  readonly #waiting = new Set<Waiting>();
  /** By key, the last to begin last. */
  readonly #ways = new Map<string, Waiting[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limits: KeepingLimits = standardLimits) {
    this.#limits = limits;
  }

  /** The session that began to wait last, which is the least likely to be closed; it is the caller's now. */
  take(key: string): KeptSession | undefined {
    const entry = this.#ways.get(key)?.at(-1);
    if (entry === undefined) return undefined;
    this.#remove(entry);
    return entry.kept;
  }

  /** Keeps a session, or ends it. */
  put(key: string, kept: KeptSession): void {
    const { idle, age, messages, waiting } = this.#limits;
    if (!kept.line.quiet || kept.messages >= messages || performance.now() - kept.since >= age) {
      leave(kept);
      return;
    }
    const entry: Waiting = { key, kept, until: performance.now() + idle };
    // Whatever a server says unasked, it is the end: a time-out, most likely.
    kept.line.watch(() => this.#end(entry));
    this.#waiting.add(entry);
    const others = this.#ways.get(key);
    if (others === undefined) this.#ways.set(key, [entry]);
    else others.push(entry);
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size > waiting) this.#end(oldest);
    this.#timer ??= setTimeout(() => this.#look(), idle);
  }

  /** Ends all that wait. */
  end(): void {
    for (const entry of this.#waiting) this.#end(entry);
    clearTimeout(this.#timer);
  }

  /** Ends those that waited enough, and looks again when the next one has. */
  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const entry of this.#waiting) {
      if (entry.until > now) {
        this.#timer = setTimeout(() => this.#look(), entry.until - now);
        return;
      }
      this.#end(entry);
    }
  }

  #end(entry: Waiting): void {
    this.#remove(entry);
    leave(entry.kept);
  }

  #remove(entry: Waiting): void {
    const { key, kept } = entry;
    kept.line.watch(undefined);
    this.#waiting.delete(entry);
    const left = this.#ways.get(key)?.filter((other) => other !== entry) ?? [];
    if (left.length > 0) this.#ways.set(key, left);
    else this.#ways.delete(key);
  }
}

const leave = ({ line }: KeptSession): void => line.leave(bytes("QUIT\r\n"));
