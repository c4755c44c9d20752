/** How long things took: a distribution in constant memory, from a millisecond to years. */

const smallest = 0.001;
const perDecade = 20;
const decades = 11;

/** Upper ends of the classes that are shown, in seconds. */
export const durationClasses = [
  0.1,
  1,
  10,
  60,
  600,
  3600,
  6 * 3600,
  86400,
  Number.POSITIVE_INFINITY,
] as const;

/** A distribution as it is reported; seconds. The quantiles are exact to an eighth. */
export interface Distribution {
  count: number;
  mean: number;
  median: number;
  p90: number;
  p99: number;
  most: number;
  /** How many took no longer than `to`, and longer than the class before; the last has no end. */
  classes: { to: number | null; count: number }[];
}

export class Durations {
  #count = 0;
  #sum = 0;
  #most = 0;
  readonly #bins = new Float64Array(perDecade * decades);
  readonly #classes = durationClasses.map(() => 0);

  /** A clock that was set back makes no time negative. */
  add(given: number): void {
    const seconds = Math.max(0, given);
    this.#count++;
    this.#sum += seconds;
    this.#most = Math.max(this.#most, seconds);
    const bin = Math.floor(Math.log10(Math.max(seconds, smallest) / smallest) * perDecade);
    const index = Math.min(bin, this.#bins.length - 1);
    this.#bins[index] = (this.#bins[index] ?? 0) + 1;
    const place = durationClasses.findIndex((end) => seconds <= end);
    this.#classes[place] = (this.#classes[place] ?? 0) + 1;
  }

  report(): Distribution {
    return {
      count: this.#count,
      mean: this.#count === 0 ? 0 : this.#sum / this.#count,
      median: this.#quantile(0.5),
      p90: this.#quantile(0.9),
      p99: this.#quantile(0.99),
      most: this.#most,
      classes: this.#classes.map((count, index) => {
        const to = durationClasses[index] ?? Number.POSITIVE_INFINITY;
        return { to: Number.isFinite(to) ? to : null, count };
      }),
    };
  }

  /** The middle of the bin in which it lies. */
  #quantile(share: number): number {
    let left = Math.ceil(this.#count * share);
    if (left === 0) return 0;
    for (const [index, count] of this.#bins.entries()) {
      left -= count;
      if (left <= 0) return Math.min(smallest * 10 ** ((index + 0.5) / perDecade), this.#most);
    }
    return this.#most;
  }
}
