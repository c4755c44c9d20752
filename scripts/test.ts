/**
 * `npm test`: every suite in turn, with its counts, and one line of counts at the end. A suite is a directory of
 * test/ with *.test.ts files, or the recorded cases (test/conformance). `npm test -- NAME...` runs the suites, and
 * the test files, whose path contains a NAME.
 */
import { join, resolve } from "node:path";
import { Glob } from "bun";

const root = resolve(import.meta.dir, "..");
const programs = process.env.QMAIL_TS_BIN ?? join(root, "dist/bin");
const names = process.argv.slice(2);

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Suite {
  name: string;
  command: string[];
  /** Finds the counts in what the suite wrote. */
  count: (output: string) => Counts | undefined;
  /** The lines of its output worth showing even if all went well. */
  notable: RegExp;
}

const conformance = "conformance";

/** The suites that `names` ask for, by directory; the recorded cases last. */
function suites(): Suite[] {
  const files = [...new Glob("test/**/*.test.ts").scanSync(root)].sort();
  const wanted = files.filter((file) => names.length === 0 || names.some((name) => file.includes(name)));
  const directories = new Set(wanted.map((file) => file.split("/")[1] ?? ""));
  const found = [...directories].map((directory) =>
    unitSuite(
      directory,
      wanted.filter((file) => file.startsWith(`test/${directory}/`)),
    ),
  );
  const recorded = names.length === 0 || names.some((name) => `test/${conformance}/`.includes(name));
  return recorded ? [...found, recordedSuite()] : found;
}

function unitSuite(name: string, files: readonly string[]): Suite {
  const command = [process.execPath, "test", "--timeout=900000", ...files.map((file) => `./${file}`)];
  const number = (output: string, word: string) =>
    Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  return {
    name,
    command,
    count: (output) =>
      / pass$/m.test(output)
        ? { passed: number(output, "pass"), failed: number(output, "fail"), skipped: number(output, "skip") }
        : undefined,
    notable: /^\(skip\)/,
  };
}

function recordedSuite(): Suite {
  return {
    name: conformance,
    command: [process.execPath, join(root, "test/conformance/run.ts"), "--bin", programs],
    count: (output) => {
      const found = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(output)?.map(Number);
      return found && { passed: found[1] ?? 0, failed: found[2] ?? 0, skipped: found[3] ?? 0 };
    },
    notable: /^(skipped|differs)/,
  };
}

async function run(suite: Suite): Promise<Counts> {
  const start = Date.now();
  const child = Bun.spawn(suite.command, {
    cwd: root,
    env: { ...process.env, QMAIL_TS_BIN: programs },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  const output = out + err;
  const counts = suite.count(output) ?? { passed: 0, failed: 1, skipped: 0 };
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  const lines = output.split("\n");
  // Bun names what was skipped twice if there is much.
  const notable = [...new Set(lines.filter((line) => suite.notable.test(line)))];
  const shown = (counts.failed > 0 ? lines.filter((line) => !line.startsWith("(pass)")) : notable).join("\n");
  if (shown !== "") console.log(shown.trimEnd());
  console.log(`${suite.name}: ${inWords(counts)} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  return counts;
}

const inWords = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
for (const suite of suites()) {
  const counts = await run(suite);
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
}
console.log(inWords(total));
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
