/** What came out of the simulator, for a person to read. */
import type { Counts, Failure } from "./simulate.ts";

const shown = 400;

/** One failure, and how to see it again. */
export function inWords({ seed, mode, at, kind, words }: Failure): string {
  const where = at === undefined ? "without a power cut" : `power cut before call ${at.step}, ${at.label}`;
  const again = at === undefined ? "" : ` --step ${at.step} --state ${at.which}`;
  const text = words.map((each) => `  ${each.slice(0, shown)}`).join("\n");
  return `${kind}: ${mode}, ${where}; again: npm run simulate -- --seed ${seed}${again}\n${text}`;
}

const count = (counts: Counts, kind: string): number =>
  counts.failures.filter((failure) => failure.kind === kind).length;

export const summary = {
  total: (seeds: number, counts: Counts) => ({
    seeds,
    calls: counts.calls,
    "crash states": counts.states,
    "kinds of step": counts.byStep.size,
    acknowledged: counts.acknowledged,
    "allowed twice": counts.duplicates,
    lost: count(counts, "lost"),
    torn: count(counts, "torn"),
    confused: count(counts, "confused"),
    "twice too often": count(counts, "twice"),
    "left for ever": count(counts, "left"),
    other: count(counts, "fell over"),
  }),
  bySteps: ({ byStep }: Counts) =>
    [...byStep].sort(([one], [other]) => (one < other ? -1 : 1)).map(([step, states]) => ({ step, states })),
  barrier: (barrier: string, met: number, { failures, states, seeds }: Counts & { seeds: number }) => {
    const [first] = failures;
    return {
      "left out": barrier,
      "met by": met,
      found: first === undefined ? "no" : first.kind,
      mode: first?.mode ?? "",
      seed: first?.seed ?? "",
      seeds,
      states,
    };
  },
};
