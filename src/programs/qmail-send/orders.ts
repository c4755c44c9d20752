/**
 * Orders of the queue tools (qmail-queue-tools(1)): found in queue/ask when the trigger is pulled, carried out one file
 * at a time between everything else. What is meant for a message that is being tried waits until that is over.
 */
import { isSystemError } from "../../core/exit.ts";
import { handleOrder, sweepOrders, waitingOrders } from "../../core/queue/order-file.ts";
import { carryOutDoom, type Desk, type Keeper } from "../../core/queue/orders.ts";
import { channels } from "./channel.ts";
import type { Cleaner } from "./cleaner.ts";
import { type Context, helpPause, patience, recipientsPath } from "./context.ts";
import type { Finisher } from "./finish.ts";
import type { Jobs } from "./jobs.ts";
import type { Todo } from "./todo.ts";

/** Seconds after which the directory is looked at even if nobody pulls the trigger. */
const interval = 1500;

interface Waiting {
  name: string;
  begun: boolean;
}

/** The parts of the queue manager that have messages in hand. */
interface Parts {
  jobs: Jobs;
  cleaner: Cleaner;
  finisher: Finisher;
  todo: Todo;
}

/** The orders of one qmail-send. */
export class Orders {
  readonly #context: Context;
  readonly #cleaner: Cleaner;
  readonly #keeper: Keeper;
  #waiting: Waiting[] = [];
  /** Messages whose end was put off, and when to look whether its time has come. */
  #doomed: { id: bigint; at: number }[] = [];
  #triggered = true;
  #next = Number.POSITIVE_INFINITY;

  constructor(context: Context, parts: Parts) {
    this.#context = context;
    this.#cleaner = parts.cleaner;
    this.#keeper = keeperOf(context, parts, (id) => this.free(id));
  }

  /** What was ordered before the start. Throws a SystemError; to be called again then. */
  load(): void {
    const { schedule, now } = this.#context;
    schedule.holds.load();
    this.#doomed = schedule.holds.doomed().map((id) => ({ id, at: now }));
    schedule.closed = true;
  }

  trigger(): void {
    this.#triggered = true;
  }

  /** Nothing is under way for this message any more. */
  free(id: bigint): void {
    if (this.#context.schedule.holds.doom(id) !== undefined) this.#doomed.push({ id, at: this.#context.now });
  }

  wakeAt(): number {
    if (!this.#cleaner.ready()) return Number.POSITIVE_INFINITY;
    return this.#doomed.reduce((first, { at }) => Math.min(first, at), this.#next);
  }

  /** Carries out one order, or one end that was put off. False: there is nothing to do. */
  step(): boolean {
    if (!this.#cleaner.ready()) return false;
    if (this.#endDoomed()) return true;
    const order = this.#waiting.shift() ?? this.#look();
    if (order === undefined) {
      this.#context.schedule.closed = false;
      return false;
    }
    this.#handle(order);
    return true;
  }

  #look(): Waiting | undefined {
    const { disk, now, log } = this.#context;
    if (!this.#triggered && now < this.#next) return undefined;
    this.#triggered = false;
    this.#next = now + interval;
    try {
      const { begun, fresh } = waitingOrders(disk);
      this.#waiting = [
        ...begun.map((name) => ({ name, begun: true })),
        ...fresh.map((name) => ({ name, begun: false })),
      ];
      if (this.#waiting.length === 0) sweepOrders(disk, now);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log("alert: unable to opendir ask, sleeping...\n");
      this.#next = now + helpPause;
    }
    return this.#waiting.shift();
  }

  #handle({ name, begun }: Waiting): void {
    const { log, now } = this.#context;
    try {
      handleOrder(name, begun, this.#desk());
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      log(`warning: unable to carry out order ask/${name}; will try again later\n`);
      this.#next = Math.min(this.#next, now + patience);
    }
  }

  #endDoomed(): boolean {
    const { now, log } = this.#context;
    const place = this.#doomed.findIndex(({ at }) => at <= now);
    const [due] = place < 0 ? [] : this.#doomed.splice(place, 1);
    if (due === undefined) return false;
    const outcome = carryOutDoom(due.id, this.#desk());
    if (typeof outcome === "object") {
      log(`warning: unable to end msg ${due.id}: ${outcome.failed}; will try again later\n`);
      this.#doomed.push({ id: due.id, at: now + patience });
    }
    return true;
  }

  #desk(): Desk {
    const { disk, schedule, routing, now } = this.#context;
    return {
      disk,
      holds: schedule.holds,
      keeper: this.#keeper,
      withoutPrepend: (recipient) => routing.withoutPrepend(recipient),
      now,
    };
  }
}

/** The queue manager as those who carry out orders see it. */
function keeperOf(
  context: Context,
  { jobs, cleaner, finisher, todo }: Parts,
  putOff: (id: bigint) => void,
): Keeper {
  const { disk, schedule, log } = context;
  const has = (path: string): boolean => disk.status(path) !== undefined;
  return {
    busy: (id) => jobs.busy(id) || todo.has(id) || cleaner.has(`todo/${id}`),
    ending: (id) => finisher.injecting(id) || cleaner.has(`foop/${id}`),
    takeOut: (ids) => schedule.takeOut(ids),
    makeDue: (ids) => {
      schedule.makeDue(ids, context.now);
      for (const id of ids) jobs.repeat(id);
    },
    put: (id) => {
      try {
        // What is new comes in by itself.
        if (schedule.holds.has(id) || cleaner.has(`todo/${id}`) || has(disk.path("todo", id))) return;
        const listed = channels.filter((channel) => has(recipientsPath(disk, channel, id)));
        for (const channel of listed) if (!jobs.busy(id, channel)) schedule.insert(channel, id, context.now);
        if (listed.length === 0 && !jobs.busy(id)) schedule.done.insert(id, context.now);
      } catch (failure) {
        if (!isSystemError(failure)) throw failure;
        schedule.failed.insert(id, context.now + patience);
      }
    },
    clean: (request) => {
      if (!cleaner.has(request)) cleaner.request(request);
    },
    cleansLater: true,
    putOff,
    log,
  };
}
