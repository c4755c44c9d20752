/** Rounds in turn, A B C A B C, and what they come to. */
import type { Bench, Figures, Workload } from "./bench.ts";
import { type Peer, Unable } from "./peers/peer.ts";
import type { Medians } from "./pure/must.ts";
import { type Summary, summary } from "./pure/stats.ts";
import { type Row, table } from "./pure/table.ts";

/** What one system has done so far. */
interface Taken {
  peer: Peer;
  rounds: Figures[];
  looked: Figures;
  refusal?: string;
  failed?: boolean;
}

/** What measure() leaves out, and how often it measures. */
export interface Extent {
  rounds: number;
  looks: boolean;
}

/** Runs a workload on every system and says the table. */
export async function measure(
  workload: Workload,
  peers: readonly Peer[],
  bench: Bench,
  { rounds, looks }: Extent,
): Promise<{ failed: boolean; medians: Medians }> {
  bench.say("");
  bench.say(`## ${workload.name}`);
  bench.say("");
  bench.say(`${workload.about}.`);
  const taken: Taken[] = peers.map((peer) => ({ peer, rounds: [], looked: {} }));
  for (let round = 0; round < rounds; round++)
    for (const one of taken)
      await attempt(one, async () => one.rounds.push(await workload.round(one.peer, bench)));
  const { look } = workload;
  if (look !== undefined && looks)
    for (const one of taken)
      await attempt(one, async () => {
        one.looked = await look(one.peer, bench);
      });
  const rows = taken.map(rowOf);
  bench.say("");
  for (const line of table(workload.figures, rows)) bench.say(line);
  for (const row of rows) if (row.refusal !== undefined) bench.say(`\n${row.peer}: -, ${row.refusal}`);
  const medians = rows.map((row, index) => {
    const values = Object.entries(row.refusal === undefined ? row.summaries : {}).map(([key, { median }]) => [
      key,
      median,
    ]);
    return [peers[index]?.key ?? "", Object.fromEntries(values)];
  });
  return {
    failed: taken.some(({ failed }) => failed === true),
    medians: Object.fromEntries(medians) as Medians,
  };
}

/** One step of one system, unless it is out already. */
async function attempt(taken: Taken, step: () => Promise<unknown>): Promise<void> {
  if (taken.refusal !== undefined) return;
  try {
    await step();
  } catch (failure) {
    if (!(failure instanceof Error)) throw failure;
    taken.refusal = failure.message;
    if (failure instanceof Unable) return;
    taken.failed = true;
    console.error(`bench: ${taken.peer.name} FAILED: ${failure.stack ?? failure.message}`);
  }
}

function rowOf({ peer, rounds, looked, refusal, failed }: Taken): Row {
  if (refusal !== undefined)
    return { peer: peer.name, refusal: `${failed === true ? "FAILED: " : ""}${refusal}` };
  const summaries: Record<string, Summary> = {};
  for (const key of Object.keys(rounds[0] ?? {}))
    summaries[key] = summary(rounds.map((figures) => figures[key] ?? Number.NaN));
  for (const [key, value] of Object.entries(looked)) summaries[key] = summary([value]);
  return { peer: peer.name, summaries };
}
