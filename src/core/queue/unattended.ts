/** Carrying out orders while no qmail-send runs. The caller holds lock/sendmutex; the current directory is the queue. */
import { closeSync } from "node:fs";
import { controlLines } from "../control/control.ts";
import { Routing } from "../mail/routing.ts";
import { readSome, writeAll } from "../sys/fd.ts";
import { inHome } from "../sys/home.ts";
import { pipe } from "../sys/libc.ts";
import { type Child, start } from "../sys/spawn.ts";
import { realDisk } from "./disk.ts";
import { Holds } from "./holds.ts";
import { handleOrder, waitingOrders } from "./order-file.ts";
import { carryOutDoom, type Desk } from "./orders.ts";

/** Carries out every order that waits, and every end that was put off. Throws a SystemError. */
export async function carryOutWaiting(): Promise<void> {
  const cleaner = new Cleaner();
  try {
    const desk = unattendedDesk(cleaner);
    desk.holds.load();
    const { begun, fresh } = waitingOrders(realDisk);
    for (const name of begun) handleOrder(name, true, desk);
    for (const id of desk.holds.doomed()) carryOutDoom(id, desk);
    for (const name of fresh) handleOrder(name, false, desk);
  } finally {
    await cleaner.close();
  }
}

/** Nothing is under way, and what is due when stands in the times of the files. */
function unattendedDesk(cleaner: Cleaner): Desk {
  const lines = controlLines("virtualdomains") ?? [];
  const virtualDomains = lines.map((line) => line.toString("latin1"));
  const routing = new Routing({ locals: [], percentHack: [], envNoAtHost: "", virtualDomains });
  return {
    disk: realDisk,
    holds: new Holds(realDisk),
    keeper: {
      busy: () => false,
      ending: () => false,
      takeOut: () => {},
      makeDue: () => {},
      put: () => {},
      clean: (request) => cleaner.ask(request),
      cleansLater: false,
      putOff: () => {},
      // Nobody reads a log; whoever gave the order is told.
      log: () => {},
    },
    withoutPrepend: (recipient) => routing.withoutPrepend(recipient),
    now: Math.floor(Date.now() / 1000),
  };
}

/** A qmail-clean of our own, started at the first request. */
class Cleaner {
  #running = prepared;

  /** Asks, and waits for the answer. An envelope that stays would bring its message back: EACCES. */
  ask(request: string): void {
    this.#running ??= startCleaner();
    const { requests, answers } = this.#running;
    writeAll(requests, Buffer.from(`${request}\0`));
    const answer = Buffer.alloc(1);
    const done = readSome(answers, answer) === 1 && answer.toString() === "+";
    if (!done && request.startsWith("todo/"))
      throw Object.assign(new Error(`EACCES: ${request}`), { code: "EACCES", errno: -13, path: request });
  }

  async close(): Promise<void> {
    if (this.#running === undefined || this.#running === prepared) return;
    const { child, requests, answers } = this.#running;
    closeSync(requests);
    closeSync(answers);
    await child.ended;
  }
}

type Running = ReturnType<typeof startCleaner>;
let prepared: Running | undefined;

/** Starts qmail-clean while this process is still root: it has to become another user than this process will. */
export function prepareCleaner(): void {
  prepared = startCleaner();
}

function startCleaner(): { child: Child; requests: number; answers: number } {
  const [input, requests] = pipe();
  const [answers, output] = pipe();
  try {
    const command = [inHome("bin/qmail-clean")];
    const environment = { ...process.env };
    return { child: start({ command, environment, descriptors: [input, output, 2] }), requests, answers };
  } finally {
    closeSync(input);
    closeSync(output);
  }
}
