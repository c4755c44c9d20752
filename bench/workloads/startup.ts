/** How long each program takes from its start to its end, with nothing to do. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Figures, Workload } from "../bench.ts";
import { scratch, tool } from "../ground.ts";
import { type Peer, Unable } from "../peers/peer.ts";
import { median } from "../pure/stats.ts";

/** Compiles a program that does nothing, as scripts/build.ts compiles ours; once. */
export async function emptyProgram(directory: string): Promise<string> {
  const outfile = join(directory, "empty");
  if (existsSync(outfile)) return outfile;
  const source = join(directory, "empty.ts");
  writeFileSync(source, "process.exit(0);\n");
  const result = await Bun.build({
    entrypoints: [source],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!result.success) throw new Error("bench: unable to compile the empty program");
  return outfile;
}

/** Milliseconds from start to end; `env` is all of its environment. */
function time(program: string, env: Record<string, string>): number {
  const start = performance.now();
  const child = Bun.spawnSync([program], { env, stdio: ["ignore", "ignore", "ignore"], timeout: 5000 });
  if (child.exitedDueToTimeout === true) throw new Error(`bench: ${program} does not end by itself`);
  return performance.now() - start;
}

function homeFor(programs: string): Record<string, string> {
  const home = join(scratch, "home");
  const qmail = join(programs, "qmail");
  if (existsSync(qmail) && !existsSync(home)) tool(qmail, "init", "--home", home, "--host", "test.example");
  return { QMAILHOME: home, PATH: `${programs}:/usr/bin:/bin` };
}

async function round({ programs, name }: Peer, { quick, say }: Bench): Promise<Figures> {
  if (programs === undefined) throw new Unable("its programs are not started for each message");
  const environment = homeFor(programs);
  const repeats = quick ? 3 : 9;
  const middle = (program: string) => {
    time(program, environment);
    return median(Array.from({ length: repeats }, () => time(program, environment)));
  };
  // qmail-start starts a whole mail system; the executable under the compiler's name for it is no program.
  const names = readdirSync(programs).filter((program) => !["qmail-start", "qmail-ts"].includes(program));
  const times = names.map((program) => ({ program, taken: middle(join(programs, program)) }));
  const slowest = times.toSorted((a, b) => b.taken - a.taken);
  const listed = slowest.slice(0, 6).map(({ program, taken }) => `${program} ${taken.toFixed(1)}`);
  say(`${name}: slowest of ${names.length}: ${listed.join(", ")} ms`);
  return {
    middle: median(times.map(({ taken }) => taken)),
    slowest: slowest[0]?.taken ?? Number.NaN,
    nothing: middle("/bin/true"),
    empty: middle(await emptyProgram(scratch)),
  };
}

export const startup: Workload = {
  name: "startup",
  about: "every executable without arguments and input, from start to end; medians",
  figures: [
    { key: "middle", title: "median of all programs, ms", digits: 2, better: "less" },
    { key: "slowest", title: "slowest program, ms", digits: 2, better: "less" },
    { key: "empty", title: "an empty program of the same compiler, ms", digits: 2, better: "less" },
    { key: "nothing", title: "/bin/true, ms", digits: 2, better: "less" },
  ],
  round,
};
