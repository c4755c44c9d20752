/** The place of one of several processes of a server: somebody is in it, or will be soon. */
import { closeSync, writeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { stopListening } from "../sys/accept.ts";
import { errorText } from "../sys/errors.ts";
import { moveAbove, pipe } from "../sys/libc.ts";
import type { Child, End } from "../sys/spawn.ts";

/** What the first process says to another: serve whom you have, and end; end. Its death says the former. */
export const orders = { drain: "d", cut: "c" } as const;

/** A process that lived for so long, in milliseconds, found nothing at its start that will end the next one, too. */
const steady = 60_000;

/** The longest time without a process, in seconds. */
const longestDelay = 64;

/** Seconds until the next process, after so many in a row that did not live long. */
export const delayAfter = (deaths: number): number =>
  deaths < 2 ? 0 : Math.min(2 ** (deaths - 2), longestDelay);

/** What a place has. */
export interface Furniture {
  /** The sockets that are its alone. */
  sockets: readonly number[];
  /** Starts a process, which hears from us on `line`. Throws EAGAIN, ENOENT, ... */
  start: (line: number) => Child;
  /** The lowest number for what a process is given. */
  least: number;
  say: (text: string) => void;
}

export class Seat {
  readonly #furniture: Furniture;
  readonly #told = Promise.withResolvers<void>();
  #isTold = false;
  /** Where the one who is here hears from us. */
  #line: number | undefined;
  /** Resolves when there was an order, and nobody is here any more. */
  readonly empty: Promise<void>;

  /** Throws if no process can be started. */
  constructor(furniture: Furniture) {
    this.#furniture = furniture;
    this.empty = this.#keep(this.#start());
  }

  tell(order: keyof typeof orders): void {
    this.#isTold = true;
    this.#told.resolve();
    if (this.#line === undefined) return;
    try {
      writeSync(this.#line, orders[order]);
    } catch (failure) {
      if (!isSystemError(failure, "EPIPE")) throw failure; // It has ended.
    }
  }

  /** `end`: what there is to say of the end of the one who is here, once it has come. */
  async #keep(end: Promise<string>): Promise<void> {
    for (let deaths = 0, last = end; ; ) {
      const begun = performance.now();
      const trouble = await last;
      if (this.#isTold) return;
      deaths = performance.now() - begun < steady ? deaths + 1 : 1;
      const delay = delayAfter(deaths);
      this.#furniture.say(`warning: ${trouble}; the next one comes ${delay === 0 ? "now" : `in ${delay} s`}`);
      if (delay > 0) await this.#stayEmpty(delay);
      if (this.#isTold) return;
      last = this.#startAgain();
    }
  }

  /** Meanwhile the kernel gives all clients to the others. The next process listens anew. */
  async #stayEmpty(seconds: number): Promise<void> {
    for (const socket of this.#furniture.sockets) stopListening(socket);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, seconds * 1000);
    await Promise.race([promise, this.#told.promise]);
    clearTimeout(timer);
  }

  async #startAgain(): Promise<string> {
    try {
      return await this.#start();
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return `unable to start a process: ${errorText(failure.code)}`;
    }
  }

  #start(): Promise<string> {
    const { start, least } = this.#furniture;
    const [read, line] = pipe();
    const theirs = moveAbove(read, least);
    let child: Child;
    try {
      child = start(theirs);
    } catch (failure) {
      closeSync(line);
      throw failure;
    } finally {
      closeSync(theirs);
    }
    this.#line = line;
    return child.ended.then((end) => {
      this.#line = undefined;
      closeSync(line);
      return `process ${child.pid} ${inWords(end)}`;
    });
  }
}

const inWords = (end: End): string =>
  "signal" in end ? `was ended by ${end.signal}` : `ended with ${end.code}`;
