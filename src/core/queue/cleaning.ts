/**
 * What qmail-send asks of qmail-clean(8), and its answers: `+` done, `!` could not remove, `x` not understood. Where one
 * user owns the queue, qmail-start tells qmail-send to do by itself what it would ask for.
 */
import { lstatSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import type { QueueDirectory } from "./paths.ts";
import { remove, sweepPid } from "./remove.ts";

/** Which files a request names. The fifth byte of a `todo` request was never looked at. */
const requests: readonly (readonly [string, readonly QueueDirectory[]])[] = [
  ["foop/", ["intd", "mess"]],
  ["todo", ["intd", "todo"]],
];

const shortest = 6;
const longest = 99;
const numberAt = 5;

/** So many requests are carried out between two looks at pid. */
const sweepEvery = 31;

/** Messages that have left todo but not mess, of which that is remembered. */
const rememberedLimit = 1024;

/** Carries out requests. Looks at pid first, and now and then. */
export class Cleaning {
  readonly #path: (directory: QueueDirectory, id: bigint) => string;
  readonly #asks: boolean;
  #untilSweep = sweepEvery;
  /** Messages whose intd is gone; none gets their numbers before mess is, too. */
  readonly #begun = new Set<bigint>();

  /**
   * `path`: where a file is, as seen from here. `asks`: what todo names keeps its text (isQueued); qmail-clean(8) asks
   * nothing, and does what it is told.
   */
  constructor(path: (directory: QueueDirectory, id: bigint) => string, asks = false) {
    this.#path = path;
    this.#asks = asks;
    sweepPid();
  }

  /** What a request (without its NUL) gets for an answer: an `x` for every byte that should be a digit, and then what its number gets. */
  answer(request: string): string {
    const answer = this.#answerTo(request);
    if (--this.#untilSweep === 0) {
      this.#untilSweep = sweepEvery;
      sweepPid();
    }
    return answer;
  }

  #answerTo(request: string): string {
    if (request.length < shortest || request.length > longest) return "x";
    const number = request.slice(numberAt);
    return "x".repeat(number.replace(/\d+/g, "").length) + this.#act(request, /^\d+/.exec(number)?.[0]);
  }

  #act(request: string, digits: string | undefined): string {
    const files = requests.find(([word]) => request.startsWith(word))?.[1];
    if (files === undefined || digits === undefined) return "x";
    const id = BigInt.asUintN(64, BigInt(digits));
    const leavesTodo = files.includes("todo");
    const hasBegun = this.#begun.delete(id) && !leavesTodo;
    for (const directory of hasBegun ? files.slice(1) : files) {
      const isQueued = this.#asks && directory === "mess" && !hasBegun ? this.#isQueued(id) : false;
      if (isQueued === undefined) return "!";
      if (isQueued) break;
      if (!remove(() => this.#path(directory, id))) return "!";
    }
    if (leavesTodo) this.#remember(id);
    return "+";
  }

  /**
   * Whoever is filing a message that looks dead, because the clock was set, may have put it into todo a moment ago. Once
   * intd is gone nobody can any more, so that what is in todo then is a message like any other, and the rest is for good.
   * Undefined: nobody can say.
   */
  #isQueued(id: bigint): boolean | undefined {
    try {
      return lstatSync(this.#path("todo", id), { throwIfNoEntry: false }) !== undefined;
    } catch (failure) {
      if (isSystemError(failure)) return undefined;
      throw failure;
    }
  }

  #remember(id: bigint): void {
    if (this.#begun.size >= rememberedLimit) this.#begun.clear();
    this.#begun.add(id);
  }
}

/** Set by qmail-start. */
const selfVariable = "QMAILSENDCLEANS";

/** Tells the qmail-send that this process will become whether to remove files by itself. */
export function tellWhoCleans(itself: boolean): void {
  delete process.env[selfVariable];
  if (itself) process.env[selfVariable] = "1";
}

/** What qmail-start said. Also forgets it: the variable is nothing for other programs. */
export function takeWhoCleans(): boolean {
  const itself = process.env[selfVariable] === "1";
  delete process.env[selfVariable];
  return itself;
}
