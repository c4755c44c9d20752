/**
 * The files of orders in queue/ask. A name says how far its order has come:
 *
 *   N.new   being written, by the tool that gives the order
 *   N.ask   complete and durable; it may still be withdrawn, by removing it
 *   N.act   taken by whoever holds lock/sendmutex: it will be carried out, after a crash by the next holder
 *   N.did   carried out, with the answers behind the order; the tool reads it and removes it
 *
 * N begins with the time, so that the order of names is that of the orders.
 */
import { isSystemError } from "../exit.ts";
import type { QueueDisk } from "./files.ts";
import { formatAnswers, type Outcomes, readPaper } from "./order-words.ts";
import { carryOut, type Desk } from "./orders.ts";

/** The directory, relative to the queue. It is there where orders were ever given. */
export const askDirectory = "ask";

/** Seconds after which a file that somebody began, or an answer that nobody fetched, is swept away. */
const ossified = 129_600;

/** Path of an order's file in one of its states. */
export const orderPath = (name: string, state: "new" | "ask" | "act" | "did"): string =>
  `${askDirectory}/${name}.${state}`;

/** The orders that wait to be carried out, in turn, those that were begun already first. */
export function waitingOrders(disk: QueueDisk): { begun: string[]; fresh: string[] } {
  const files = disk.names(askDirectory);
  const inState = (state: string): string[] =>
    files.filter((file) => file.endsWith(state)).map((file) => file.slice(0, -state.length));
  return { begun: inState(".act"), fresh: inState(".ask") };
}

/** Carries out one order, if it was not withdrawn. Throws a SystemError if its file cannot be read or renamed. */
export function handleOrder(name: string, begun: boolean, desk: Desk): void {
  const { disk } = desk;
  const path = orderPath(name, "act");
  if (!begun && !take(disk, name, path)) return;
  const { order, length } = readPaper(disk, path);
  // What cannot be understood is an order about nothing: its author gets no answers.
  const outcomes: Outcomes = order === undefined ? new Map() : carryOut(order, desk);
  try {
    disk.finish(path, length, formatAnswers(outcomes));
  } catch (failure) {
    // All is done and durable; only the answers are missing.
    if (!isSystemError(failure)) throw failure;
  }
  disk.rename(path, orderPath(name, "did"));
}

function take(disk: QueueDisk, name: string, path: string): boolean {
  try {
    disk.rename(orderPath(name, "ask"), path);
    return true;
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return false;
    throw failure;
  }
}

/** Removes what is old and of no use to anybody. */
export function sweepOrders(disk: QueueDisk, now: number): void {
  for (const file of disk.names(askDirectory)) {
    if (!file.endsWith(".new") && !file.endsWith(".did")) continue;
    const status = disk.status(`${askDirectory}/${file}`);
    if (status !== undefined && now > status.modified + ossified) disk.remove(`${askDirectory}/${file}`);
  }
}
