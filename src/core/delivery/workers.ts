/**
 * The warm qmail-locals of qmail-lspawn: processes that have become a user and deliver messages, so that a delivery
 * costs no start of a process. One takes all deliveries of its user that can be made beside others; for the rest there
 * are as many as there are deliveries at once, one each. One that finds nothing to do for a while ends. Whoever dies
 * takes its deliveries with it, which are tried again later.
 */
import { closeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { closeAll, sendWithDescriptor, socketPair } from "../sys/handing.ts";
import { arrivals } from "../sys/input.ts";
import { pipe } from "../sys/libc.ts";
import { type Child, type End, type Start, start } from "../sys/spawn.ts";
import {
  type Answer,
  AnswerReader,
  encodeArguments,
  encodeRequest,
  type Manner,
  outstandingLimit,
} from "./worker-words.ts";

/** How to start one: all but its descriptors. */
export type WorkerStart = Omit<Start, "descriptors">;

/** How long a worker without work stays, in milliseconds. */
const idleLimit = 20_000;

/** How many without work there may be in all; the one that waits longest goes. */
const idleMost = 30;

/** What came of a delivery; or the worker is gone, or what it says makes no sense. */
export type Outcome = { kind: "exit"; code: number; text: Buffer } | { kind: "programs" } | Gone;

type Gone = { kind: "gone"; end: End };

/** A worker's place: all of one kind and manner can stand in for each other. */
type Place = `${string} ${Manner}`;

export class Workers {
  /** Those that may be given work, by place; the last to have had some is the last of its list. */
  readonly #free = new Map<Place, Worker[]>();

  /**
   * Has one delivery made by a worker of this kind, started if there is none; `message` stays ours. Undefined: its
   * arguments are too long. Throws (EPERM, EAGAIN, ...) if no worker can be started.
   */
  async deliver(
    kind: string,
    how: WorkerStart,
    words: readonly Buffer[],
    message: number,
  ): Promise<Outcome | undefined> {
    const args = encodeArguments(words);
    if (args === undefined) return undefined;
    const first = await this.#ask(`${kind} shared`, how, args, message);
    if (first.kind !== "alone") return first;
    const second = await this.#ask(`${kind} alone`, how, args, message);
    return second.kind === "alone" ? { kind: "gone", end: { signal: "nonsense" } } : second;
  }

  /** Lets all go that have no work. */
  dismiss(): void {
    for (const list of this.#free.values()) for (const worker of list) if (worker.isIdle) worker.dismiss();
    this.#free.clear();
  }

  async #ask(place: Place, how: WorkerStart, args: Buffer, message: number): Promise<Answer | Gone> {
    const manner = place.endsWith("shared") ? "shared" : "alone";
    for (;;) {
      const waiting = this.#free.get(place)?.at(-1);
      const worker = waiting ?? new Worker(how, manner);
      clearTimeout(worker.timer);
      const answer = worker.ask(args, message);
      if (answer === undefined) {
        this.#remove(place, worker);
        worker.dismiss();
        // One that died before says nothing about this delivery.
        if (waiting !== undefined) continue;
        return { kind: "gone", end: await worker.ended };
      }
      if (waiting === undefined) this.#add(place, worker);
      if (worker.isFull) this.#remove(place, worker);
      const outcome = await answer;
      if (outcome.kind === "gone") this.#remove(place, worker);
      else this.#rest(place, worker);
      return outcome;
    }
  }

  #add(place: Place, worker: Worker): void {
    const list = this.#free.get(place) ?? [];
    if (list.includes(worker)) return;
    list.push(worker);
    this.#free.set(place, list);
  }

  #remove(place: Place, worker: Worker): void {
    const left = (this.#free.get(place) ?? []).filter((other) => other !== worker);
    if (left.length > 0) this.#free.set(place, left);
    else this.#free.delete(place);
  }

  #rest(place: Place, worker: Worker): void {
    this.#add(place, worker);
    if (!worker.isIdle) return;
    // Of two that were answered together, both find it idle.
    clearTimeout(worker.timer);
    worker.since = performance.now();
    worker.timer = setTimeout(() => this.#drop(place, worker), idleLimit);
    worker.timer.unref();
    this.#limit();
  }

  #limit(): void {
    const idle = [...this.#free].flatMap(([place, list]) =>
      list.filter(({ isIdle }) => isIdle).map((worker) => ({ place, worker })),
    );
    if (idle.length <= idleMost) return;
    const oldest = idle.reduce((a, b) => (a.worker.since <= b.worker.since ? a : b));
    this.#drop(oldest.place, oldest.worker);
  }

  #drop(place: Place, worker: Worker): void {
    this.#remove(place, worker);
    clearTimeout(worker.timer);
    worker.dismiss();
  }
}

class Worker {
  readonly #manner: Manner;
  readonly #child: Child;
  readonly #socket: number;
  readonly #answers: number;
  /** Whoever waits for an answer, by number. */
  readonly #asked = new Map<number, (outcome: Answer | Gone) => void>();
  #number = 0;
  #dismissed = false;
  /** When it has rested enough; and since when it rests (performance.now()). */
  timer: NodeJS.Timeout | undefined;
  since = 0;

  constructor(how: WorkerStart, manner: Manner) {
    this.#manner = manner;
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
    void this.#listen();
  }

  get ended(): Promise<End> {
    return this.#child.ended;
  }

  get isIdle(): boolean {
    return this.#asked.size === 0;
  }

  get isFull(): boolean {
    return this.#asked.size >= (this.#manner === "shared" ? outstandingLimit : 1);
  }

  /** Asks for one delivery. Undefined: it is not there any more. */
  ask(args: Buffer, message: number): Promise<Answer | Gone> | undefined {
    if (this.#dismissed) return undefined;
    const number = this.#next();
    try {
      sendWithDescriptor(this.#socket, encodeRequest(number, this.#manner, args), message);
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<Answer | Gone>();
    this.#asked.set(number, resolve);
    return promise;
  }

  /** It ends when it has nothing more to read. */
  dismiss(): void {
    if (this.#dismissed) return;
    this.#dismissed = true;
    closeSync(this.#socket);
  }

  #next(): number {
    do this.#number = (this.#number + 1) & 0xffff;
    while (this.#asked.has(this.#number));
    return this.#number;
  }

  /** Reads to the end, also of one that was dismissed: until then nobody may close the pipe. */
  async #listen(): Promise<void> {
    if (!(await this.#hear())) this.#child.kill("SIGKILL");
    this.dismiss();
    const end = await this.ended;
    for (const resolve of this.#asked.values()) resolve({ kind: "gone", end });
    this.#asked.clear();
    closeSync(this.#answers);
  }

  /** False: it talks nonsense, or cannot be listened to (EMFILE, ENOMEM, ...). */
  async #hear(): Promise<boolean> {
    const reader = new AnswerReader();
    try {
      for await (const piece of arrivals(this.#answers)) {
        const answers = reader.add(piece);
        if (answers === "nonsense" || !this.#deliverAll(answers)) return false;
      }
      return true;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return false;
    }
  }

  /** False: an answer to nothing that was asked. */
  #deliverAll(answers: readonly { number: number; answer: Answer }[]): boolean {
    for (const { number, answer } of answers) {
      const resolve = this.#asked.get(number);
      if (resolve === undefined) return false;
      this.#asked.delete(number);
      resolve(answer);
    }
    return true;
  }
}
