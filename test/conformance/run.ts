/**
 * Replays the recorded cases against the built programs.
 * `bun test/conformance/run.ts [--bin DIR] [--only ID]... [--verbose] [--via direct|tcpserver|listen] [--cut whole|bytes]
 * [PROGRAM...]`; --via and --cut are about the servers' cases: how a session reaches them. A PROGRAM is also the name of a
 * file in vectors/. As root every worker is in namespaces of its own; as an ordinary user, cases that need root are
 * skipped. differences.json names the deliberate differences, which are not held against us.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import type { Problem } from "./compare.ts";
import { type Case, type FileExpectation, field, loadCases } from "./format.ts";
import { cuts, inexpressible, isServer, listeners, vias } from "./modes.ts";
import type { Outcome } from "./worker.ts";

const { values: options, positionals: names } = parseArgs({
  options: {
    bin: { type: "string" },
    via: { type: "string" },
    cut: { type: "string" },
    only: { type: "string", multiple: true },
    verbose: { type: "boolean" },
  },
  allowPositionals: true,
});
const programs = resolve(options.bin ?? process.env.QMAIL_TS_BIN ?? join(import.meta.dir, "../../dist/bin"));
const via = oneOf("via", vias);
const cut = oneOf("cut", cuts);
const namespace = canUnshare();
const listening = via === "listen" ? listeners(programs) : new Set<string>();

function oneOf<Word extends string>(name: "via" | "cut", words: readonly [Word, ...Word[]]): Word {
  const found = words.find((word) => word === (options[name] ?? words[0]));
  if (found === undefined) throw new Error(`--${name} takes one of ${words.join(", ")}`);
  return found;
}

/** Cases of kind `send` mostly wait, so there are more workers for them than processors. */
const workers: Readonly<Record<NonNullable<Case["kind"]>, number>> = { run: 2, send: 4 };

/** Whether a file has offsets behind the path of the qmail home, whose length must then be that of the recording. */
function hasOffsets(file: FileExpectation): boolean {
  return file.path?.endsWith("cdb") === true && field(file, "content")?.includes("{{QMAIL}}") === true;
}

/** Whether a delivery goes to a file of its own in /dev. */
const writesToDev = (test: Case): boolean => JSON.stringify(test.files ?? {}).includes("/dev/null+");

/** What the harness can not provide here, or undefined. */
function missing(test: Case): string | undefined {
  const needs = test.needs ?? [];
  const reason = inexpressible(test, via, listening);
  if (reason !== undefined) return reason;
  if (!namespace && (test.expect.files ?? []).some(hasOffsets)) return "a qmail home at /var/qmail";
  if (!namespace && writesToDev(test)) return "a writable /dev";
  if (test.program === "qmail-send" || needs.length === 0) return undefined;
  if (!namespace) return needs.join(", ");
  return needs.includes("setuid") && Bun.which("gcc") === null ? "gcc" : undefined;
}

/** Where files are quickest made and removed: in memory, if programs can be executed there. */
function fastDirectory(): string {
  const memory = readFileSync("/proc/mounts", "latin1")
    .split("\n")
    .find((line) => line.split(" ")[1] === "/dev/shm");
  return memory === undefined || /\bnoexec\b/.test(memory) ? tmpdir() : "/dev/shm";
}

/** Runs cases on `count` workers. */
async function runAll(cases: Case[], count: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const serve = async () => {
    const work = mkdtempSync(join(namespace ? tmpdir() : fastDirectory(), "qmail-conformance-"));
    const command = [process.execPath, join(import.meta.dir, "worker.ts"), work, programs, via, cut];
    const worker = Bun.spawn(namespace ? [...unshare, ...command, "namespace"] : command, {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const answers = createInterface({ input: Readable.fromWeb(worker.stdout as never) })[
      Symbol.asyncIterator
    ]();
    for (let test = cases.shift(); test !== undefined; test = cases.shift()) {
      worker.stdin.write(`${JSON.stringify(test)}\n`);
      await worker.stdin.flush();
      const answer = await answers.next();
      if (answer.done === true) throw new Error(`the worker died of ${test.id}`);
      outcomes.push(JSON.parse(answer.value) as Outcome);
    }
    await worker.stdin.end();
    await worker.exited;
    rmSync(work, { recursive: true });
  };
  await Promise.all(Array.from({ length: Math.min(count, cases.length) }, serve));
  return outcomes;
}

/** Bytes, readable: escaped, and where it is long only what surrounds the difference. */
function readable(text: string, at = 0): string {
  const room = options.verbose === true ? Number.POSITIVE_INFINITY : 300;
  const from = text.length <= 2 * room ? 0 : Math.max(0, at - room);
  const part = JSON.stringify(text.slice(from, at + room)).slice(1, -1);
  return `${from > 0 ? "..." : ""}${part}${text.length > at + room ? "..." : ""}`;
}

function report(test: Case, problems: readonly Problem[]): void {
  console.log(`  FAIL ${test.id}: ${test.about}`);
  for (const { what, expected, actual, at } of problems) {
    console.log(`    ${what}${at === undefined ? "" : ` (from byte ${at})`}`);
    console.log(`      expected ${readable(expected, at)}`);
    console.log(`      actual   ${readable(actual, at)}`);
  }
}

const differencesFile = join(import.meta.dir, "differences.json");
const differences = JSON.parse(readFileSync(differencesFile, "utf8")) as Record<string, string>;
if (Object.keys(differences).length > 10) throw new Error("differences.json names more than ten cases");

const wanted = loadCases(join(import.meta.dir, "vectors")).filter(
  (test) =>
    (isServer(test) || (options.via === undefined && options.cut === undefined)) &&
    (options.only === undefined || options.only.includes(test.id)) &&
    (names.length === 0 || names.includes(test.program) || names.includes(test.id.replace(/-\d+$/, ""))),
);
const skipped = wanted.filter((test) => missing(test) !== undefined);
const held = wanted.filter((test) => missing(test) === undefined && differences[test.id] === undefined);
const present = held.filter((test) => existsSync(join(programs, test.program)));
const outcomes = new Map<string, Outcome>();
const kinds = ["run", "send"] as const;
const runs = kinds.map((kind) =>
  runAll(
    present.filter((test) => (test.kind ?? "run") === kind),
    workers[kind],
  ),
);
for (const outcome of (await Promise.all(runs)).flat()) outcomes.set(outcome.id, outcome);

let failed = 0;
for (const program of new Set(held.map((test) => test.program))) {
  const cases = held.filter((test) => test.program === program);
  const bad = cases.filter((test) => outcomes.get(test.id)?.problems.length !== 0);
  failed += bad.length;
  const absent = existsSync(join(programs, program)) ? "" : " (not built)";
  console.log(`${program} ${cases.length - bad.length}/${cases.length}${absent}`);
  for (const test of bad) {
    const outcome = outcomes.get(test.id);
    if (outcome !== undefined) report(test, outcome.problems);
  }
}
for (const [id, reason] of Object.entries(differences))
  if (names.length === 0) console.log(`differs: ${id}: ${reason}`);
const reasons = new Map<string, string[]>();
for (const test of skipped)
  reasons.set(missing(test) ?? "", [...(reasons.get(missing(test) ?? "") ?? []), test.id]);
for (const [reason, ids] of reasons)
  console.log(
    `skipped for ${via === "direct" ? "lack of " : ""}${reason}: ${ids.length} (${[...new Set(ids.map((id) => id.replace(/-\d+$/, "")))].join(" ")})`,
  );
console.log(`${held.length - failed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
