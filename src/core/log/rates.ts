/** How much happened lately: counts of each second of the last hour. */
import type { Counts } from "./timeline.ts";
import type { Seen } from "./tracker.ts";

const seconds = 3600;

/** Windows that are reported, in seconds. */
export const rateWindows = [60, 300, 3600] as const;

/** What happened in a window that ends now. */
export type Rate = Counts & { seconds: number };

const kinds: Readonly<Partial<Record<Seen["event"]["kind"], keyof Counts>>> = {
  info: "messages",
  success: "success",
  failure: "failure",
  deferral: "deferral",
  mangled: "deferral",
};
const keys = ["messages", "success", "failure", "deferral"] as const;

export class Rates {
  readonly #counts = Object.fromEntries(keys.map((key) => [key, new Uint32Array(seconds)])) as Record<
    keyof Counts,
    Uint32Array
  >;
  #newest = 0;

  /** Unix time of the newest event, in whole seconds; 0: there was none. */
  get newest(): number {
    return this.#newest;
  }

  add({ time, event }: Seen): void {
    const kind = kinds[event.kind];
    if (kind === undefined || time === undefined) return;
    const second = Math.floor(time);
    this.#advance(second);
    if (second <= this.#newest - seconds) return;
    const counts = this.#counts[kind];
    counts[second % seconds] = (counts[second % seconds] ?? 0) + 1;
  }

  /** The windows that end at `now`. */
  report(now: number): Rate[] {
    return rateWindows.map((length) => ({
      seconds: length,
      ...(Object.fromEntries(
        keys.map((key) => [key, this.#sum(key, now - length, now)]),
      ) as unknown as Counts),
    }));
  }

  /** Sums of `count` steps of `step` seconds, the last of which ends at `now`. */
  series(key: keyof Counts, now: number, count: number, step: number): number[] {
    return Array.from({ length: count }, (_, index) =>
      this.#sum(key, now - (count - index) * step, now - (count - index - 1) * step),
    );
  }

  /** From after `start` to `end`, as far as it is known. */
  #sum(key: keyof Counts, start: number, end: number): number {
    let sum = 0;
    const last = Math.min(Math.floor(end), this.#newest);
    for (let second = Math.max(Math.floor(start) + 1, this.#newest - seconds + 1); second <= last; second++)
      sum += this.#counts[key][((second % seconds) + seconds) % seconds] ?? 0;
    return sum;
  }

  /** Clears the places of the seconds in which nothing was logged. */
  #advance(second: number): void {
    if (second <= this.#newest) return;
    const from = Math.max(this.#newest + 1, second - seconds + 1);
    for (let each = from; each <= second; each++)
      for (const key of keys) this.#counts[key][each % seconds] = 0;
    this.#newest = second;
  }
}
