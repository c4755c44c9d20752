/**
 * `npm run simulate`: the long form of the simulated disk.
 *
 *   --seeds 200 [--from N] [--mode posix|journal|btrfs] [--cuts 60]   many seeds; from 1 on, or from N
 *   --barriers [--only WORDS] [--meet 500] [--most 200]               leave out each barrier in turn
 *   --seed N [--step K [--state S]]                                   one again, with its calls if a step is named
 */
import { parseArgs } from "node:util";
import { printTable } from "../crash/table.ts";
import { type Mode, modes } from "./disk.ts";
import { bundle } from "./program.ts";
import { barriersIn, newCounts, type Options, simulate, withoutBarrier } from "./simulate.ts";
import { inWords, summary } from "./words.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    mode: { type: "string" },
    cuts: { type: "string", default: "60" },
    seed: { type: "string" },
    step: { type: "string" },
    state: { type: "string" },
    barriers: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    meet: { type: "string", default: "500" },
    most: { type: "string", default: "200" },
  },
});

const mode: Mode | undefined = modes.find((known) => known === values.mode);
const options: Options = { factory: await bundle(), mode, cuts: Number(values.cuts), perCall: 4 };

function many(first: number, count: number, how: Options): void {
  const counts = newCounts();
  for (let seed = first; seed < first + count; seed++) simulate(seed, how, counts);
  printTable("crash states by what was about to be done", summary.bySteps(counts));
  printTable("the simulated disk", [summary.total(count, counts)]);
  for (const failure of counts.failures.slice(0, 20)) console.log(inWords(failure));
  if (counts.failures.length > 0) process.exitCode = 1;
}

function leaveOut(): void {
  const some = (from: number): number[] =>
    Array.from({ length: Number(values.meet) }, (_, index) => index + from);
  // Those about orders, too: other seeds hardly meet some of the barriers.
  const seeds = [...some(Number(values.from)), ...some(Number(values.from) + 1000)];
  const met = [...barriersIn(seeds, options)].sort(([one], [other]) => (one < other ? -1 : 1));
  const names = met.filter(([barrier]) => barrier.includes(values.only));
  const rows = names.map(([barrier, where]) => {
    const counts = withoutBarrier(barrier, where.slice(0, Number(values.most)), options);
    // It takes a while: each as it comes.
    console.error(
      `without ${barrier}: ${counts.failures[0] ? inWords(counts.failures[0]) : "nothing found"}`,
    );
    return summary.barrier(barrier, where.length, counts);
  });
  printTable("what is found where a barrier is left out", rows);
}

if (values.barriers) leaveOut();
else if (values.seed === undefined) many(Number(values.from), Number(values.seeds), options);
else if (values.step === undefined) many(Number(values.seed), 1, options);
else
  many(Number(values.seed), 1, {
    ...options,
    only: { step: Number(values.step), which: values.state === undefined ? undefined : Number(values.state) },
    trace: console.log,
  });
