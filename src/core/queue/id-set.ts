/** A set of message numbers, in 32 bytes each at most. A Set of big integers takes four times as much. */
import { highWord, IdArray, lowWord } from "./id-array.ts";

const smallest = 64;

/** Open addressing in one array, at most half full. 0 is the place of no number: no message has it. */
export class IdSet {
  #ids = new IdArray(smallest);
  #size = 0;

  constructor(ids: Iterable<bigint> = []) {
    for (const id of ids) this.add(id);
  }

  get size(): number {
    return this.#size;
  }

  has(id: bigint): boolean {
    return this.hasWords(lowWord(id), highWord(id));
  }

  /** As has(), by the two words of a number. */
  hasWords(low: number, high: number): boolean {
    return !this.#isFree(this.#place(low, high));
  }

  add(id: bigint): void {
    const [low, high] = [lowWord(id), highWord(id)];
    const place = this.#place(low, high);
    if (!this.#isFree(place)) return;
    this.#ids.setWords(place, low, high);
    if (++this.#size * 2 > this.#ids.length) this.#resize(2 * this.#ids.length);
  }

  delete(id: bigint): void {
    const place = this.#place(lowWord(id), highWord(id));
    if (this.#isFree(place)) return;
    this.#ids.setWords(place, 0, 0);
    this.#size--;
    // Whoever stands behind it may have wanted its place.
    for (let next = this.#after(place); !this.#isFree(next); next = this.#after(next)) {
      const [low, high] = [this.#ids.low(next), this.#ids.high(next)];
      this.#ids.setWords(next, 0, 0);
      this.#ids.setWords(this.#place(low, high), low, high);
    }
    if (this.#ids.length > smallest && this.#size * 8 < this.#ids.length) this.#resize(this.#ids.length / 2);
  }

  clear(): void {
    this.#ids = new IdArray(smallest);
    this.#size = 0;
  }

  /** Where a number is, or would be. */
  #place(low: number, high: number): number {
    const mixed = Math.imul(low ^ high, 0x9e3779b1) >>> 0;
    let place = Math.floor((mixed / 2 ** 32) * this.#ids.length);
    while (!this.#isFree(place) && !this.#ids.isAt(place, low, high)) place = this.#after(place);
    return place;
  }

  #isFree(place: number): boolean {
    return this.#ids.isAt(place, 0, 0);
  }

  #after(place: number): number {
    return place + 1 === this.#ids.length ? 0 : place + 1;
  }

  #resize(length: number): void {
    const old = this.#ids;
    this.#ids = new IdArray(length);
    for (let index = 0; index < old.length; index++) {
      const [low, high] = [old.low(index), old.high(index)];
      if (low !== 0 || high !== 0) this.#ids.setWords(this.#place(low, high), low, high);
    }
  }
}
