/** A priority queue of message numbers by time, in 16 bytes a message. */
import { IdArray } from "../../core/queue/id-array.ts";
import { IdSet } from "../../core/queue/id-set.ts";

/** A message and when it is due, in Unix seconds. */
export interface Due {
  id: bigint;
  at: number;
}

/** A binary heap in two typed arrays. */
export class DueHeap {
  #ids = new IdArray(64);
  #times = new Float64Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The time of the first; Infinity if there is none. */
  get firstTime(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#time(0);
  }

  insert(id: bigint, at: number): void {
    if (this.#length === this.#times.length) this.#grow();
    let index = this.#length++;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#time(parent) <= at) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#ids.set(index, id);
    this.#times[index] = at;
  }

  /** Takes the first out if it is due by `now`. */
  takeDue(now: number): bigint | undefined {
    return this.firstTime <= now ? this.take()?.id : undefined;
  }

  /** Takes the first out. */
  take(): Due | undefined {
    if (this.#length === 0) return undefined;
    const first = { id: this.#ids.get(0), at: this.#time(0) };
    this.#length--;
    this.#sink(0, this.#length);
    return first;
  }

  /** Takes these out, wherever they are. */
  takeOut(ids: ReadonlySet<bigint>): void {
    const unwanted = new IdSet(ids);
    let kept = 0;
    for (let index = 0; index < this.#length; index++)
      if (!this.#isIn(unwanted, index)) this.#move(index, kept++);
    if (kept === this.#length) return;
    this.#length = kept;
    this.#order();
  }

  /** Makes these due at that time. */
  makeDue(ids: ReadonlySet<bigint>, at: number): void {
    const wanted = new IdSet(ids);
    let found = false;
    for (let index = 0; index < this.#length; index++) {
      if (!this.#isIn(wanted, index)) continue;
      this.#times[index] = at;
      found = true;
    }
    if (found) this.#order();
  }

  /** Makes everything due at the same time. */
  makeAllDue(at: number): void {
    this.#times.fill(at, 0, this.#length);
  }

  #isIn(ids: IdSet, index: number): boolean {
    return ids.hasWords(this.#ids.low(index), this.#ids.high(index));
  }

  /** Makes a heap of what stands in any order. */
  #order(): void {
    for (let index = (this.#length >> 1) - 1; index >= 0; index--) this.#sink(index, index);
  }

  /** Puts the entry that stands at `from` into a place, or as far below as it belongs. */
  #sink(place: number, from: number): void {
    const [low, high, at] = [this.#ids.low(from), this.#ids.high(from), this.#time(from)];
    let index = place;
    for (let child = 2 * index + 1; child < this.#length; child = 2 * index + 1) {
      if (child + 1 < this.#length && this.#time(child + 1) < this.#time(child)) child++;
      if (at <= this.#time(child)) break;
      this.#move(child, index);
      index = child;
    }
    this.#ids.setWords(index, low, high);
    this.#times[index] = at;
  }

  #time(index: number): number {
    return this.#times[index] ?? 0;
  }

  #move(from: number, to: number): void {
    this.#ids.setWords(to, this.#ids.low(from), this.#ids.high(from));
    this.#times[to] = this.#time(from);
  }

  #grow(): void {
    const size = 2 * this.#times.length;
    const times = new Float64Array(size);
    times.set(this.#times);
    this.#times = times;
    this.#ids = this.#ids.resized(size);
  }
}
