/**
 * Fuzzes the engines: `bun test/fuzz/run.ts [--seconds N] [--seed N] [--input JSON] [ENGINE...]`. `--input` replays
 * what a finding printed.
 */
import { parseArgs } from "node:util";
import { fuzz, problemOf } from "./engine.ts";
import { engines } from "./engines.ts";

const { values, positionals } = parseArgs({
  options: { seconds: { type: "string" }, seed: { type: "string" }, input: { type: "string" } },
  allowPositionals: true,
});
const seconds = Number(values.seconds ?? 20);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const wanted = engines.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (wanted.length === 0) throw new Error(`there are ${engines.map(({ name }) => name).join(", ")}`);
for (const engine of wanted) {
  if (values.input !== undefined) {
    const problem = await problemOf(engine, JSON.parse(values.input) as string);
    console.log(`${engine.name}: ${problem ?? "nothing wrong"}`);
    if (problem !== undefined) process.exitCode = 1;
    continue;
  }
  const { executions, seconds: took, kinds, finding } = await fuzz(engine, seed, seconds);
  const found = finding === undefined ? 0 : 1;
  console.log(
    `${engine.name}: ${executions} executions in ${took.toFixed(1)} s, ${kinds} kinds of behaviour, ${found} findings, seed ${seed}`,
  );
  if (finding === undefined) continue;
  console.log(
    `  ${finding.problem.slice(0, 1500)}\n  --input '${JSON.stringify(finding.input).replaceAll("'", "\\u0027")}'`,
  );
  process.exitCode = 1;
}
