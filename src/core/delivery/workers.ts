/**
 * The warm qmail-locals of qmail-lspawn: processes that have become a user and deliver one message after another, so
 * that a delivery costs no start of a process. There are as many as there are deliveries at once; one that finds
 * nothing to do for a while ends. Whoever dies takes one delivery with it, which is tried again later.
 */
import { closeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { closeAll, sendWithDescriptor, socketPair } from "../sys/handing.ts";
import { arrivals } from "../sys/input.ts";
import { pipe } from "../sys/libc.ts";
import { type Child, type End, type Start, start } from "../sys/spawn.ts";
import { type Answer, AnswerReader } from "./worker-words.ts";

/** How to start one: all but its descriptors. */
export type WorkerStart = Omit<Start, "descriptors">;

/** How long a worker without work stays, in milliseconds. */
const idleLimit = 20_000;

/** How many without work there may be in all; the one that waits longest goes. */
const idleMost = 30;

/** The worker is gone, or what it says makes no sense. */
export type Outcome = Answer | { kind: "gone"; end: End };

export class Workers {
  /** Those without work, by what they are; the last to have worked is the last of its list. */
  readonly #idle = new Map<string, Worker[]>();

  /**
   * Has one request done by a worker of this kind, started if there is none; `message` stays ours. Throws (EPERM,
   * EAGAIN, ...) if none can be started.
   */
  async deliver(kind: string, how: WorkerStart, request: Buffer, message: number): Promise<Outcome> {
    for (;;) {
      const waiting = this.#take(kind);
      const worker = waiting ?? new Worker(how);
      if (!worker.send(request, message)) {
        worker.dismiss();
        // One that died while it had nothing to do says nothing about this delivery.
        if (waiting !== undefined) continue;
        return { kind: "gone", end: await worker.ended };
      }
      const outcome = await worker.answer();
      if (outcome.kind === "gone") worker.dismiss();
      else this.#rest(kind, worker);
      return outcome;
    }
  }

  /** Lets all go that have no work. */
  dismiss(): void {
    for (const list of this.#idle.values()) for (const worker of list) worker.dismiss();
    this.#idle.clear();
  }

  #take(kind: string): Worker | undefined {
    const list = this.#idle.get(kind);
    const worker = list?.pop();
    if (list?.length === 0) this.#idle.delete(kind);
    if (worker !== undefined) clearTimeout(worker.timer);
    return worker;
  }

  #rest(kind: string, worker: Worker): void {
    const list = this.#idle.get(kind) ?? [];
    list.push(worker);
    this.#idle.set(kind, list);
    worker.since = performance.now();
    worker.timer = setTimeout(() => this.#drop(kind, worker), idleLimit);
    worker.timer.unref();
    this.#limit();
  }

  #limit(): void {
    const all = [...this.#idle].flatMap(([kind, list]) => list.map((worker) => ({ kind, worker })));
    if (all.length <= idleMost) return;
    const oldest = all.reduce((a, b) => (a.worker.since <= b.worker.since ? a : b));
    this.#drop(oldest.kind, oldest.worker);
  }

  #drop(kind: string, worker: Worker): void {
    const left = (this.#idle.get(kind) ?? []).filter((other) => other !== worker);
    if (left.length > 0) this.#idle.set(kind, left);
    else this.#idle.delete(kind);
    clearTimeout(worker.timer);
    worker.dismiss();
  }
}

class Worker {
  readonly #child: Child;
  readonly #socket: number;
  readonly #answers: number;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #dismissed = false;
  /** When it has rested enough; and since when it rests (performance.now()). */
  timer: NodeJS.Timeout | undefined;
  since = 0;

  constructor(how: WorkerStart) {
    const [socket, theirs] = socketPair();
    let ends: [number, number] | undefined;
    try {
      ends = pipe();
      this.#child = start({ ...how, descriptors: [null, ends[1], null, theirs] });
    } catch (failure) {
      closeAll(socket, ends?.[0]);
      throw failure;
    } finally {
      closeAll(theirs, ends?.[1]);
    }
    this.#socket = socket;
    this.#answers = ends[0];
    this.#pieces = arrivals(this.#answers)[Symbol.asyncIterator]();
  }

  get ended(): Promise<End> {
    return this.#child.ended;
  }

  /** False: it is not there any more. */
  send(request: Buffer, message: number): boolean {
    try {
      sendWithDescriptor(this.#socket, request, message);
      return true;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return false;
    }
  }

  async answer(): Promise<Outcome> {
    const reader = new AnswerReader();
    for (;;) {
      const { done, value } = await this.#pieces.next();
      if (done) return { kind: "gone", end: await this.ended };
      const answer = reader.add(value);
      if (answer === "nonsense") {
        this.#child.kill("SIGKILL");
        return { kind: "gone", end: await this.ended };
      }
      if (answer !== undefined) return answer;
    }
  }

  /** It ends when it has nothing more to read. */
  dismiss(): void {
    if (this.#dismissed) return;
    this.#dismissed = true;
    closeSync(this.#socket);
    void this.#leave();
  }

  /** Nobody reads the pipe any more when it is closed. */
  async #leave(): Promise<void> {
    while (!(await this.#pieces.next()).done);
    closeSync(this.#answers);
  }
}
