/**
 * qmail-clean(8): removes files from the queue as qmail-send asks on descriptor 0 (`foop/ID`, `todo/ID`, each with a
 * NUL), and answers on descriptor 1: `+` done, `!` could not remove, `x` not understood. Old files in pid, and those in
 * intd and todo whose message is gone, it removes by itself.
 */
import { statSync } from "node:fs";
import { Exit, isSystemError } from "../core/exit.ts";
import { type QueueDirectory, queueRoot } from "../core/queue/paths.ts";
import { removeFiles, sweepEnvelopes, sweepPid } from "../core/queue/remove.ts";
import { Reader, writeAll } from "../core/sys/fd.ts";
import { becomeOwnerOf } from "../core/users/identity.ts";

/** Which files a request names. The fifth byte of a `todo` request was never looked at. */
const requests: readonly (readonly [string, readonly QueueDirectory[]])[] = [
  ["foop/", ["intd", "mess"]],
  ["todo", ["intd", "todo"]],
];

const shortest = 7;
const longest = 100;
const numberAt = 5;

/** So many requests are answered between two looks at pid. */
const sweepEvery = 31;

export function main(): number {
  enterQueue();
  sweepEnvelopes();
  const input = new Reader(0);
  for (let count = 0; ; count++) {
    if (count % sweepEvery === 0) sweepPid();
    const request = nextRequest(input);
    if (request === undefined) return 0;
    respond(answer(request));
  }
}

function enterQueue(): void {
  try {
    statSync(`${queueRoot()}/.`);
  } catch (failure) {
    throw isSystemError(failure) ? new Exit(111) : failure;
  }
  becomeOwnerOf(queueRoot());
}

/** The next request with its NUL; undefined when qmail-send is gone. */
function nextRequest(input: Reader): Buffer | undefined {
  try {
    const request = input.line(0);
    return request?.[request.length - 1] === 0 ? request : undefined;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}

/** What a request gets for an answer: an `x` for every byte that should be a digit, and then what its number gets. */
export function answer(request: Buffer): string {
  if (request.length < shortest || request.length > longest) return "x";
  const number = request.toString("latin1", numberAt, request.length - 1);
  return "x".repeat(number.replace(/\d/g, "").length) + act(request, /^\d+/.exec(number)?.[0]);
}

function act(request: Buffer, digits: string | undefined): string {
  const files = requests.find(([word]) => request.toString("latin1", 0, word.length) === word)?.[1];
  if (files === undefined || digits === undefined) return "x";
  return removeFiles(files, BigInt.asUintN(64, BigInt(digits))) ? "+" : "!";
}

function respond(text: string): void {
  try {
    writeAll(1, Buffer.from(text));
  } catch (failure) {
    throw isSystemError(failure) ? new Exit(100) : failure;
  }
}
