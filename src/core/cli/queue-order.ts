/**
 * Giving orders to qmail-send, and waiting for what becomes of them. While no qmail-send runs, whoever gets
 * lock/sendmutex carries out all orders that wait, as qmail-send would.
 */
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isSystemError } from "../exit.ts";
import { realDisk } from "../queue/disk.ts";
import { askDirectory, orderPath } from "../queue/order-file.ts";
import { formatOrder, type Order, type Outcome, type Outcomes, readPaper } from "../queue/order-words.ts";
import { withQueueLock } from "../queue/queue-lock.ts";
import { pullTrigger } from "../queue/trigger.ts";
import { carryOutWaiting } from "../queue/unattended.ts";
import { syncDirectory, syncFile } from "../sys/durable.ts";
import { errorText } from "../sys/errors.ts";
import { writeAll } from "../sys/fd.ts";
import { attempt, fail } from "./trouble.ts";

/** Messages in one file: qmail-send does nothing else while it carries it out. */
const mostTargets = 256;

/** Milliseconds between two looks whether it is done, and how many until the lock is tried again. */
const pause = 10;
const looksPerTry = 10;

/** Milliseconds after which an order is withdrawn that nobody takes. */
const patience = 60_000;

/** Gives an order; durable and done, or put off durably, when it returns. Messages without an outcome got no answer. */
export async function giveOrder(order: Order): Promise<Outcomes> {
  const outcomes = new Map<bigint, Outcome>();
  for (let first = 0; first < order.targets.length; first += mostTargets) {
    const targets = order.targets.slice(first, first + mostTargets);
    const name = write({ ...order, targets }, first / mostTargets);
    pullTrigger();
    await taken(name);
    for (const [id, outcome] of fetchAnswers(name)) outcomes.set(id, outcome);
  }
  return outcomes;
}

/** Names sort by time. */
function write(order: Order, sequence: number): string {
  const name = `${String(Date.now()).padStart(14, "0")}.${process.pid}.${sequence}`;
  const path = orderPath(name, "new");
  attempt(`write queue/${path}`, () => {
    writeDurably(path, formatOrder(order));
    realDisk.rename(path, orderPath(name, "ask"));
    syncDirectory(askDirectory);
  });
  return name;
}

function writeDurably(path: string, text: string): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    writeAll(fd, Buffer.from(text, "latin1"));
    syncFile(fd);
  } finally {
    closeSync(fd);
  }
}

/** Waits until the order was carried out. */
async function taken(name: string): Promise<void> {
  const end = Date.now() + patience;
  for (let looks = 0; ; looks++) {
    if (isThere(orderPath(name, "did"))) return;
    if (looks % looksPerTry === 0) await carryOutUnattended();
    else await sleep(pause);
    if (Date.now() > end && withdraw(name))
      throw fail(
        "qmail-send did not take the order, which is withdrawn: is it one that knows no orders (qmail-queue-tools(1))?",
      );
  }
}

/** Where no qmail-send runs. */
async function carryOutUnattended(): Promise<void> {
  try {
    await withQueueLock(carryOutWaiting);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw fail(`unable to carry out what was ordered: ${errorText(failure.code)}; it will be done later`);
  }
}

/** Whether nobody has taken the order yet, nor ever will: not after a power cut either. */
function withdraw(name: string): boolean {
  try {
    realDisk.remove(orderPath(name, "ask"));
    syncDirectory(askDirectory);
    return true;
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return false;
    throw failure;
  }
}

/** When the answers are fetched, the order is durably gone: nobody carries it out once more after a later one. */
function fetchAnswers(name: string): Outcomes {
  const path = orderPath(name, "did");
  return attempt(`read queue/${path}`, () => {
    const { outcomes } = readPaper(realDisk, path);
    realDisk.remove(path);
    syncDirectory(askDirectory);
    return outcomes;
  });
}

const isThere = (path: string): boolean =>
  attempt(`examine queue/${path}`, () => realDisk.status(path)) !== undefined;
