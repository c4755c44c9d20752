/** Figures of several rounds in one: median, spread, ratio. */

/** The value below which `part` (0 to 1) of the numbers lie, between two neighbours in proportion; NaN of none. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** The middle one; between the two in the middle of an even number. */
export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5);

/** What several rounds gave. */
export interface Summary {
  median: number;
  least: number;
  most: number;
  rounds: number;
}

/** The median, with the least and the most beside it. */
export function summary(numbers: readonly number[]): Summary {
  return {
    median: median(numbers),
    least: Math.min(...numbers),
    most: Math.max(...numbers),
    rounds: numbers.length,
  };
}

/** How far the rounds lie apart: most minus least, as a part of the median; 0 where the median is 0. */
export function spread({ median, least, most }: Summary): number {
  return median === 0 ? 0 : (most - least) / Math.abs(median);
}

/** How many times better the first is than the second, where more, or less, is better; undefined if that means nothing. */
export function advantage(first: number, second: number, better: "more" | "less"): number | undefined {
  const ratio = better === "more" ? first / second : second / first;
  return Number.isFinite(ratio) && ratio > 0 ? ratio : undefined;
}
