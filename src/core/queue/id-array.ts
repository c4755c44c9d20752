/** Message numbers in 8 bytes each. Taken for two words, they are moved and compared without making big integers. */

const word = 2 ** 32;

/** The lower word of a number; nearly all are exact as a double. */
export function lowWord(id: bigint): number {
  const number = Number(id);
  return number <= Number.MAX_SAFE_INTEGER ? number >>> 0 : Number(BigInt.asUintN(32, id));
}

export function highWord(id: bigint): number {
  const number = Number(id);
  return number <= Number.MAX_SAFE_INTEGER ? Math.floor(number / word) : Number(id >> 32n);
}

/** An array of so many, all 0 at first. */
export class IdArray {
  readonly length: number;
  readonly #words: Uint32Array;

  constructor(length: number) {
    this.length = length;
    this.#words = new Uint32Array(2 * length);
  }

  get(index: number): bigint {
    const [low, high] = [this.low(index), this.high(index)];
    const number = high * word + low;
    return number <= Number.MAX_SAFE_INTEGER ? BigInt(number) : (BigInt(high) << 32n) | BigInt(low);
  }

  set(index: number, id: bigint): void {
    this.setWords(index, lowWord(id), highWord(id));
  }

  low(index: number): number {
    return this.#words[2 * index] ?? 0;
  }

  high(index: number): number {
    return this.#words[2 * index + 1] ?? 0;
  }

  setWords(index: number, low: number, high: number): void {
    this.#words[2 * index] = low;
    this.#words[2 * index + 1] = high;
  }

  isAt(index: number, low: number, high: number): boolean {
    return this.low(index) === low && this.high(index) === high;
  }

  /** The same numbers with room for more, or in less. */
  resized(length: number): IdArray {
    const other = new IdArray(length);
    other.#words.set(this.#words.subarray(0, 2 * length));
    return other;
  }
}
