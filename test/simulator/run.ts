import { bundle } from "./program.ts";
import { newCounts, simulate } from "./simulate.ts";
import { parseArgs } from "node:util";
const { values } = parseArgs({ options: { seeds: { type: "string", default: "20" }, seed: { type: "string" }, from: { type: "string", default: "1" }, step: { type: "string" }, state: { type: "string" }, cuts: { type: "string", default: "60" }, trace: {type: "boolean"} } });
const factory = await bundle();
const counts = newCounts();
const t0 = performance.now();
const first = Number(values.seed ?? values.from);
const n = values.seed ? 1 : Number(values.seeds);
for (let seed = first; seed < first + n; seed++)
  simulate(seed, { factory, cuts: Number(values.cuts), perCall: 3, only: values.step ? { step: Number(values.step), which: values.state ? Number(values.state) : undefined } : undefined, trace: values.step || values.trace ? console.log : undefined }, counts);
const { byStep, failures, ...rest } = counts;
console.log(rest, failures.length, ((performance.now() - t0) / 1000).toFixed(1));
const kinds = new Map<string, number>();
for (const f of failures) { const k = `${f.mode} ${f.kind} ${f.words[0]?.slice(0, 50).replace(/\d+/g, "#")}`; kinds.set(k, (kinds.get(k) ?? 0) + 1); }
for (const [k, v] of kinds) console.log(v, k);
for (const f of failures.slice(0, 8)) console.log(f.seed, f.mode, f.at, f.kind, f.words.slice(0, 3).join("\n").slice(0, 1500));
