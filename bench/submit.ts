/**
 * How long it takes from the shell's `sendmail user@host <message` to the acknowledgement, durable, and how much
 * processor time: the medians of many runs. Beside it, in the same run, what an empty program compiled by the same
 * compiler takes. The queue lies below --under: what a tmpfs (/dev/shm) saves there is the price of durability.
 *
 *   bun bench/submit.ts [--runs 50] [--under DIR]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { host, PrivateHome } from "../test/helpers/home.ts";
import { median } from "./pure/stats.ts";
import { emptyProgram } from "./workloads/startup.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "50" }, under: { type: "string", default: tmpdir() } },
});
const runs = Number(values.runs);

/** Milliseconds: by the clock, and of the processor. */
interface Taken {
  clock: number;
  processor: number;
}

/** What one command of the shell takes. */
function time(command: string, environment: Record<string, string>): Taken {
  const start = performance.now();
  const result = Bun.spawnSync(["/bin/sh", "-c", command], { env: environment });
  if (result.exitCode !== 0)
    throw new Error(`${command}: exit ${result.exitCode}: ${result.stderr.toString()}`);
  const clock = performance.now() - start;
  return { clock, processor: Number(result.resourceUsage.cpuTime.total) / 1000 };
}

function spread(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1);
  return `median ${at(0.5)} ms, fastest ${at(0)} ms, nine of ten below ${at(0.9)} ms`;
}

const home = new PrivateHome(undefined, values.under);
const work = mkdtempSync(join(tmpdir(), "qmail-bench-"));
try {
  const message = join(work, "message");
  writeFileSync(message, `Subject: hello\n\n${"A line of a message of about two kilobytes.\n".repeat(45)}`);
  const commands: Record<string, string> = {
    "empty executable": await emptyProgram(work),
    "/bin/true": "/bin/true",
    sendmail: `'${home.program("sendmail")}' ${home.user}@${host} <'${message}'`,
    "qmail-inject": `'${home.program("qmail-inject")}' ${home.user}@${host} <'${message}'`,
  };
  const times = new Map(Object.keys(commands).map((name) => [name, [] as Taken[]]));
  for (const command of Object.values(commands)) time(command, home.environment);
  for (let run = 0; run < runs; run++)
    for (const [name, command] of Object.entries(commands))
      times.get(name)?.push(time(command, home.environment));
  const middle = (all: readonly Taken[]) => median(all.map(({ processor }) => processor));
  const empty = middle(times.get("empty executable") ?? []);
  for (const [name, all] of times) {
    const processor = middle(all);
    console.log(`${name}: ${spread(all.map(({ clock }) => clock))}`);
    console.log(
      `  processor ${processor.toFixed(1)} ms, ${(processor / empty).toFixed(2)} times the empty one`,
    );
  }
} finally {
  await home.remove();
  rmSync(work, { recursive: true, force: true });
}
