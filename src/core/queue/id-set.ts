/** A set of message numbers, in 32 bytes each at most. A Set of big integers takes four times as much. */

/** The place of no number: no message has it. */
const none = 0n;
const smallest = 64;

/** Open addressing in one typed array, at most half full. */
export class IdSet {
  #ids = new BigUint64Array(smallest);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(id: bigint): boolean {
    return this.#ids[this.#place(id)] === id;
  }

  add(id: bigint): void {
    const place = this.#place(id);
    if (this.#ids[place] === id) return;
    this.#ids[place] = id;
    if (++this.#size * 2 > this.#ids.length) this.#resize(2 * this.#ids.length);
  }

  delete(id: bigint): void {
    const place = this.#place(id);
    if (this.#ids[place] !== id) return;
    this.#ids[place] = none;
    this.#size--;
    // Whoever stands behind it may have wanted its place.
    for (let next = this.#after(place); this.#at(next) !== none; next = this.#after(next)) {
      const moving = this.#at(next);
      this.#ids[next] = none;
      this.#ids[this.#place(moving)] = moving;
    }
    if (this.#ids.length > smallest && this.#size * 8 < this.#ids.length) this.#resize(this.#ids.length / 2);
  }

  clear(): void {
    this.#ids = new BigUint64Array(smallest);
    this.#size = 0;
  }

  /** Where a number is, or would be. */
  #place(id: bigint): number {
    const mixed = Math.imul(Number(BigInt.asUintN(32, id ^ (id >> 32n))), 0x9e3779b1) >>> 0;
    let place = Math.floor((mixed / 2 ** 32) * this.#ids.length);
    while (this.#at(place) !== none && this.#at(place) !== id) place = this.#after(place);
    return place;
  }

  #at(place: number): bigint {
    return this.#ids[place] ?? none;
  }

  #after(place: number): number {
    return place + 1 === this.#ids.length ? 0 : place + 1;
  }

  #resize(length: number): void {
    const old = this.#ids;
    this.#ids = new BigUint64Array(length);
    for (const id of old) if (id !== none) this.#ids[this.#place(id)] = id;
  }
}
