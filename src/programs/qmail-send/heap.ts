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
    const at = this.#time(last);
    let index = 0;
    for (let child = 1; child < last; child = 2 * index + 1) {
      if (child + 1 < last && this.#time(child + 1) < this.#time(child)) child++;
      if (at <= this.#time(child)) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, this.#ids[last] ?? 0n, at);
    return first;
  }

  /** Makes everything due at the same time. */
  makeAllDue(at: number): void {
    this.#times.fill(at, 0, this.#length);
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
