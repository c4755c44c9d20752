/** A priority queue of message numbers by time, in 16 bytes a message. */

/** A message and when it is due, in Unix seconds. */
export interface Due {
  id: bigint;
  at: number;
}

/** A binary heap in two typed arrays. */
export class DueHeap {
  #ids = new BigUint64Array(64);
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
    this.#put(index, id, at);
  }

  /** Takes the first out if it is due by `now`. */
  takeDue(now: number): bigint | undefined {
    return this.firstTime <= now ? this.take()?.id : undefined;
  }

  /** Takes the first out. */
  take(): Due | undefined {
    if (this.#length === 0) return undefined;
    const first = { id: this.#ids[0] ?? 0n, at: this.#time(0) };
    const last = --this.#length;
    this.#sink(0, this.#ids[last] ?? 0n, this.#time(last));
    return first;
  }

  /** Takes these out, wherever they are. */
  takeOut(ids: ReadonlySet<bigint>): void {
    let kept = 0;
    for (let index = 0; index < this.#length; index++)
      if (!ids.has(this.#ids[index] ?? 0n)) this.#move(index, kept++);
    if (kept === this.#length) return;
    this.#length = kept;
    this.#order();
  }

  /** Makes these due at that time. */
  makeDue(ids: ReadonlySet<bigint>, at: number): void {
    let found = false;
    for (let index = 0; index < this.#length; index++) {
      if (!ids.has(this.#ids[index] ?? 0n)) continue;
      this.#times[index] = at;
      found = true;
    }
    if (found) this.#order();
  }

  /** Makes everything due at the same time. */
  makeAllDue(at: number): void {
    this.#times.fill(at, 0, this.#length);
  }

  /** Makes a heap of what stands in any order. */
  #order(): void {
    for (let index = (this.#length >> 1) - 1; index >= 0; index--)
      this.#sink(index, this.#ids[index] ?? 0n, this.#time(index));
  }

  /** Puts an entry at a place, or as far below as it belongs. */
  #sink(start: number, id: bigint, at: number): void {
    let index = start;
    for (let child = 2 * index + 1; child < this.#length; child = 2 * index + 1) {
      if (child + 1 < this.#length && this.#time(child + 1) < this.#time(child)) child++;
      if (at <= this.#time(child)) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, id, at);
  }

  #time(index: number): number {
    return this.#times[index] ?? 0;
  }

  #put(index: number, id: bigint, at: number): void {
    this.#ids[index] = id;
    this.#times[index] = at;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#ids[from] ?? 0n, this.#time(from));
  }

  #grow(): void {
    const size = 2 * this.#times.length;
    const ids = new BigUint64Array(size);
    const times = new Float64Array(size);
    ids.set(this.#ids);
    times.set(this.#times);
    this.#ids = ids;
    this.#times = times;
  }
}
