/**
 * How long it takes from the shell's `sendmail user@host <message` to the acknowledgement, durable: the median of
 * many runs. Beside it, in the same run, what an empty program compiled by the same compiler takes.
 *
 *   bun bench/submit.ts [--runs 50]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { host, PrivateHome } from "../test/helpers/home.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "50" } } });
const runs = Number(values.runs);

/** Milliseconds that one command of the shell takes. */
function time(command: string, environment: Record<string, string>): number {
  const start = performance.now();
  const result = Bun.spawnSync(["/bin/sh", "-c", command], { env: environment });
  if (result.exitCode !== 0)
    throw new Error(`${command}: exit ${result.exitCode}: ${result.stderr.toString()}`);
  return performance.now() - start;
}

function spread(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1);
  return `median ${at(0.5)} ms, fastest ${at(0)} ms, nine of ten below ${at(0.9)} ms`;
}

/** Compiles a program that does nothing, as scripts/build.ts compiles ours. */
async function emptyProgram(directory: string): Promise<string> {
  const source = join(directory, "empty.ts");
  const outfile = join(directory, "empty");
  writeFileSync(source, "process.exit(0);\n");
  const result = await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!result.success) throw new Error("unable to compile the empty program");
  return outfile;
}

const home = new PrivateHome();
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
  const times = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
  for (const command of Object.values(commands)) time(command, home.environment);
  for (let run = 0; run < runs; run++)
    for (const [name, command] of Object.entries(commands))
      times.get(name)?.push(time(command, home.environment));
  for (const [name, all] of times) console.log(`${name}: ${spread(all)}`);
} finally {
  await home.remove();
  rmSync(work, { recursive: true, force: true });
}
