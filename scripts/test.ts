/**
 * `npm test`: every suite with its counts, and one line of counts at the end. A suite is a directory of test/ with
 * *.test.ts files, or the recorded cases (test/conformance). `npm test -- NAME...` runs the suites, and the test files,
 * whose path contains a NAME. Several processes run at a time, for tests mostly wait: each has ports, homes and
 * namespaces of its own. `npm test -- --lanes N` has N at a time.
 */
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Glob } from "bun";

const root = resolve(import.meta.dir, "..");
const programs = process.env.QMAIL_TS_BIN ?? join(root, "dist/bin");
const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { lanes: { type: "string", default: String(Math.min(availableParallelism() + 1, 8)) } },
});

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** One process: a suite, or a part of it. */
interface Part {
  suite: string;
  command: string[];
  /** Finds the counts in what it wrote. */
  count: (output: string) => Counts | undefined;
  /** The lines of its output worth showing even if all went well. */
  notable: RegExp;
}

/** What became of a part. */
interface Done {
  counts: Counts;
  /** What is shown of its output. */
  shown: string;
  seconds: number;
}

const conformance = "conformance";

/** The suites that take long, in the order in which they begin: each of their files is a part. */
const long = ["interop", "crash", "scenarios", "programs"];

/** What `names` ask for, in the order in which it begins. */
function parts(): Part[] {
  const files = [...new Glob("test/**/*.test.ts").scanSync(root)].sort();
  const wanted = files.filter((file) => names.length === 0 || names.some((name) => file.includes(name)));
  const of = (suite: string) => wanted.filter((file) => file.startsWith(`test/${suite}/`));
  const suites = [...new Set(wanted.map((file) => file.split("/")[1] ?? ""))];
  const recorded = names.length === 0 || names.some((name) => `test/${conformance}/`.includes(name));
  return [
    ...long.flatMap((suite) => of(suite).map((file) => unitTests(suite, [file]))),
    ...(recorded ? [recordedCases()] : []),
    ...suites.filter((suite) => !long.includes(suite)).map((suite) => unitTests(suite, of(suite))),
  ];
}

function unitTests(suite: string, files: readonly string[]): Part {
  const command = [process.execPath, "test", "--timeout=900000", ...files.map((file) => `./${file}`)];
  const number = (output: string, word: string) =>
    Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  return {
    suite,
    command,
    count: (output) =>
      / pass$/m.test(output)
        ? { passed: number(output, "pass"), failed: number(output, "fail"), skipped: number(output, "skip") }
        : undefined,
    notable: /^(\(skip\)|left to )/,
  };
}

function recordedCases(): Part {
  return {
    suite: conformance,
    command: [process.execPath, join(root, "test/conformance/run.ts"), "--bin", programs],
    count: (output) => {
      const found = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(output)?.map(Number);
      return found && { passed: found[1] ?? 0, failed: found[2] ?? 0, skipped: found[3] ?? 0 };
    },
    notable: /^(skipped|differs)/,
  };
}

async function run(part: Part): Promise<Done> {
  const start = performance.now();
  const child = Bun.spawn(part.command, {
    cwd: root,
    env: { ...process.env, QMAIL_TS_BIN: programs },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  const output = out + err;
  const counts = part.count(output) ?? { passed: 0, failed: 1, skipped: 0 };
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  const lines = output.split("\n");
  // Bun names what was skipped twice if there is much.
  const notable = [...new Set(lines.filter((line) => part.notable.test(line)))];
  const shown = (counts.failed > 0 ? lines.filter((line) => !line.startsWith("(pass)")) : notable).join("\n");
  return { counts, shown: shown.trimEnd(), seconds: (performance.now() - start) / 1000 };
}

function sum(all: readonly Counts[]): Counts {
  const of = (key: keyof Counts) => all.reduce((total, counts) => total + counts[key], 0);
  return { passed: of("passed"), failed: of("failed"), skipped: of("skipped") };
}

const inWords = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

const all = parts();
const done = new Map<Part, Done>();

/** Shows a suite, all of whose parts have ended. */
function show(suite: string): void {
  const ended = all.filter((part) => part.suite === suite).flatMap((part) => done.get(part) ?? []);
  for (const { shown } of ended) if (shown !== "") console.log(shown);
  const seconds = ended.reduce((total, part) => total + part.seconds, 0);
  console.log(`${suite}: ${inWords(sum(ended.map(({ counts }) => counts)))} (${seconds.toFixed(1)} s)`);
}

const waiting = [...all];
async function lane(): Promise<void> {
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    done.set(part, await run(part));
    const { suite } = part;
    if (all.every((each) => each.suite !== suite || done.has(each))) show(suite);
  }
}
const start = performance.now();
await Promise.all(Array.from({ length: Math.max(1, Number(values.lanes)) }, lane));
const total = sum([...done.values()].map(({ counts }) => counts));
console.log(
  `${((performance.now() - start) / 1000).toFixed(1)} s in all, ${values.lanes} processes at a time`,
);
console.log(inWords(total));
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
