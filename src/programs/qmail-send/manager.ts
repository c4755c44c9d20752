/**
 * The queue manager without its outside: events in, the outside's calls out, the clock passed in with every event.
 * Between events, work() does what can be done without waiting, and wakeAt() says until when to wait.
 */
import { isSystemError } from "../../core/exit.ts";
import type { Routing } from "../../core/mail/routing.ts";
import { Holds } from "../../core/queue/holds.ts";
import type { Channel } from "./channel.ts";
import { Cleaner } from "./cleaner.ts";
import { Cleanup } from "./cleanup.ts";
import type { Context, Outside, Settings } from "./context.ts";
import { Deliveries } from "./deliveries.ts";
import { Enrolment, enrollFailed } from "./enrolment.ts";
import { Finisher } from "./finish.ts";
import { FirstAttempts } from "./first.ts";
import { Jobs } from "./jobs.ts";
import { Leftovers } from "./leftovers.ts";
import { Orders } from "./orders.ts";
import { Passes } from "./passes.ts";
import { recordSchedule, Schedule } from "./schedule.ts";
import { Todo } from "./todo.ts";

/** Rounds of work() between two looks at what arrived. */
const roundLimit = 16;

/** Seconds that a clock may be put right by without notice. */
const clockSlack = 60;

/** One qmail-send. */
export class Manager {
  readonly #context: Context;
  readonly #jobs: Jobs;
  readonly #deliveries: Deliveries;
  readonly #passes: Passes;
  readonly #cleaner: Cleaner;
  readonly #finisher: Finisher;
  readonly #first: FirstAttempts;
  readonly #todo: Todo;
  readonly #cleanup: Cleanup;
  readonly #orders: Orders;
  readonly #enrolment: Enrolment;
  /** The last time that work() was told. */
  #latest: number;
  #loaded = false;

  constructor(outside: Outside, settings: Settings, routing: Routing, now: number) {
    const schedule = new Schedule(new Holds(outside.disk));
    const leftovers = new Leftovers(outside.disk);
    const context: Context = { ...outside, settings, routing, now, schedule, leftovers, exiting: false };
    const jobs = new Jobs(context, (id) => this.#orders.free(id));
    this.#jobs = jobs;
    this.#context = context;
    this.#latest = now;
    this.#deliveries = new Deliveries(context, jobs);
    this.#passes = new Passes(context, jobs, this.#deliveries);
    this.#cleaner = new Cleaner(context);
    this.#finisher = new Finisher(context, this.#cleaner);
    const first = new FirstAttempts(context, this.#cleaner, this.#deliveries, jobs);
    this.#first = first;
    const hands = { cleaner: this.#cleaner, deliveries: this.#deliveries, passes: this.#passes, first };
    this.#todo = new Todo(context, hands, (id) => {
      this.#orders.free(id);
      this.#passes.step();
    });
    this.#cleanup = new Cleanup(context, this.#cleaner);
    this.#enrolment = new Enrolment(context);
    const parts = { jobs, cleaner: this.#cleaner, finisher: this.#finisher, todo: this.#todo };
    this.#orders = new Orders(context, parts);
  }

  /**
   * Takes the messages that an earlier qmail-send left into the schedule. False: a folder could not be read; call
   * again in ten seconds.
   */
  enroll(now: number): boolean {
    const { leftovers } = this.#context;
    this.#context.now = now;
    this.#loaded ||= this.#can("read hold", () => this.#orders.load());
    if (!this.#loaded || !this.#enrolment.run()) return false;
    // Last: whatever comes into todo later finds nothing under its number.
    if (!this.#can("opendir todo", () => leftovers.findUnfinished())) return false;
    this.#deliveries.logStatus();
    return true;
  }

  /** Whether a step at the start succeeds; else the log says so. */
  #can(what: string, step: () => void): boolean {
    try {
      step();
      return true;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      this.#context.log(`alert: unable to ${what}, sleeping...\n`);
      return false;
    }
  }

  /** Does what can be done now. True: there is more, but look at what arrived first. */
  work(now: number): boolean {
    this.#context.now = now;
    if (now < this.#latest - clockSlack) this.#clockWentBack(now);
    this.#latest = now;
    for (let round = 0; round < roundLimit; round++) if (!this.#step()) return false;
    return true;
  }

  /** Everything is tried again, because nobody knows any more when it was due. */
  #clockWentBack(now: number): void {
    this.#context.log(`warning: clock went back ${this.#latest - now} seconds; trying everything again\n`);
    this.#context.schedule.forgetTimes(now);
    this.#todo.trigger();
  }

  /** The order is the one in which lines appear in the log. An order for a message is carried out before its end. */
  #step(): boolean {
    let acted = this.#deliveries.step();
    acted = this.#orders.step() || acted;
    acted = this.#todo.step() || acted;
    acted = this.#passes.step() || acted;
    acted = enrollFailed(this.#context, this.#jobs, this.#cleaner) || acted;
    acted = this.#finisher.step() || acted;
    return this.#cleanup.step() || acted;
  }

  /** When there will be something to do even if nothing happens, in Unix seconds. */
  wakeAt(): number {
    return Math.min(
      this.#orders.wakeAt(),
      this.#deliveries.wakeAt(),
      this.#todo.wakeAt(),
      this.#passes.wakeAt(),
      this.#context.schedule.failed.firstTime,
      this.#finisher.wakeAt(),
      this.#cleanup.wakeAt(),
    );
  }

  /** Whether it was told to stop and has nothing under way any more. */
  finished(): boolean {
    const parts = [this.#deliveries, this.#first, this.#cleaner, this.#finisher];
    return this.#context.exiting && parts.every((part) => part.idle());
  }

  /** The last act. */
  finish(): void {
    recordSchedule(this.#context);
    this.#context.log("status: exiting\n");
  }

  /** Bytes from a spawner. */
  reported(channel: Channel, bytes: Uint8Array, now: number): void {
    this.#context.now = now;
    this.#deliveries.receive(channel, bytes);
  }

  /** A spawner's pipe ended, or cannot be written to. */
  spawnerLost(channel: Channel): void {
    this.#deliveries.lose(channel);
  }

  /** Bytes from qmail-clean. */
  cleanerAnswered(bytes: Uint8Array, now: number): void {
    this.#context.now = now;
    this.#cleaner.receive(bytes);
  }

  /** qmail-clean's pipe ended, or cannot be written to. */
  cleanerLost(): void {
    this.#cleaner.lose();
  }

  /** The trigger was pulled: there is something new in todo, or an order. */
  triggered(): void {
    this.#todo.trigger();
    this.#orders.trigger();
  }

  /** TERM: stop when what is under way is over. */
  stop(): void {
    this.#context.exiting = true;
  }

  /** ALRM: every message is due. */
  retryAll(now: number): void {
    this.#context.schedule.makeAllDue(now);
    this.#first.retryAll();
  }

  /** HUP: this is where recipients go from now on. */
  reroute(routing: Routing): void {
    this.#context.routing = routing;
  }
}
