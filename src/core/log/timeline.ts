/** What happened when, in a bounded number of steps: they grow as the log goes on. */

/** Seconds; each is a multiple of the one before. */
const steps = [1, 5, 15, 60, 300, 900, 3600, 10800, 21600, 43200, 86400, 604800, 2419200, 29030400] as const;

/** Points are merged when there would be more. */
const most = 240;

/** What is counted in each step. */
export interface Counts {
  messages: number;
  success: number;
  failure: number;
  deferral: number;
}

/** The timeline as it is reported: every step from the first to the last, also where nothing happened. */
export interface TimelineReport {
  /** Length of a step in seconds. */
  step: number;
  points: ({ time: number } & Counts)[];
}

const nothing = (): Counts => ({ messages: 0, success: 0, failure: 0, deferral: 0 });

export class Timeline {
  #step = 0;
  #counts = new Map<number, Counts>();
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  get #seconds(): number {
    return steps[this.#step] ?? 1;
  }

  add(time: number, what: keyof Counts): void {
    this.#first = Math.min(this.#first, time);
    this.#last = Math.max(this.#last, time);
    while (this.#length() > most && this.#step < steps.length - 1) this.#grow();
    const index = Math.floor(time / this.#seconds);
    const counts = this.#counts.get(index) ?? nothing();
    this.#counts.set(index, counts);
    counts[what]++;
  }

  report(): TimelineReport {
    const first = Math.floor(this.#first / this.#seconds);
    const length = this.#counts.size === 0 ? 0 : Math.min(this.#length(), 2 * most);
    const points = Array.from({ length }, (_, offset) => ({
      time: (first + offset) * this.#seconds,
      ...(this.#counts.get(first + offset) ?? nothing()),
    }));
    return { step: this.#seconds, points };
  }

  #length(): number {
    return Math.floor(this.#last / this.#seconds) - Math.floor(this.#first / this.#seconds) + 1;
  }

  #grow(): void {
    const before = this.#seconds;
    this.#step++;
    const merged = new Map<number, Counts>();
    for (const [index, counts] of this.#counts) {
      const place = Math.floor((index * before) / this.#seconds);
      const sum = merged.get(place) ?? nothing();
      merged.set(place, sum);
      for (const key of ["messages", "success", "failure", "deferral"] as const) sum[key] += counts[key];
    }
    this.#counts = merged;
  }
}
