/**
 * A fault at every system call: each program is run again and again, every time with one call that is killed or fails.
 * It must end as its manual page says, and afterwards, with no fault, every message that was acknowledged must come,
 * whole, and nothing may stay in the queue for ever.
 *
 *   bun test/crash/inject.ts [--subject NAME ...] [--fault NAME ...] [--most N] [--seed 1] [--only REGEXP]
 *                            [--lanes 6] [--from SUBJECT] [--out FILE] [--tell]
 *
 * `--most`: of the calls of a program that can have a fault, only so many, spread by the seed. `--lanes`: so many runs
 * at once, since most of a run is waiting. `--out`: the table as Markdown, written after each program; with `--from` the
 * rows of the programs before that one are kept as they are there. `--tell`: a line for each run. Needs strace.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomFrom } from "../scenarios/kill.ts";
import { daemons } from "./daemons.ts";
import { type Row, rowOf, rowsIn, writeTable } from "./fault-table.ts";
import { compileHalves, type Fault, faults } from "./faults.ts";
import { oneShots } from "./one-shot.ts";
import type { Point } from "./points.ts";
import { servers } from "./servers.ts";
import type { Subject } from "./subject.ts";
import { printTable } from "./table.ts";
import { type Attempt, possible, type Result, Trial } from "./trial.ts";

export type { Row };

export const subjects: readonly Subject[] = [...oneShots, ...daemons, ...servers];

/** At most so many of the points, spread at random over all. */
function some(points: readonly Point[], most: number, random: () => number): Point[] {
  if (points.length <= most) return [...points];
  const step = points.length / most;
  const first = random() * step;
  return Array.from({ length: most }, (_, i) => points[Math.floor(first + i * step)]).filter(
    (point) => point !== undefined,
  );
}

interface Plan {
  subjects: readonly Subject[];
  faults: readonly Fault[];
  most: number;
  seed: number;
  /** Only calls that strace shows so. */
  only?: RegExp;
  /** So many runs at once. */
  lanes?: number;
  /** Gets each run as soon as it is there. */
  tell?: (result: Result) => void;
}

/** Does it; calls `report` with each row as soon as it is there. */
export async function injectFaults(plan: Plan, report: (row: Row) => void): Promise<string[]> {
  const random = randomFrom(plan.seed);
  const complaints: string[] = [];
  const scratch = mkdtempSync(join(tmpdir(), "qmail-halves-"));
  const path = join(scratch, "halves");
  try {
    const halves = compileHalves(path) ? path : undefined;
    for (const subject of plan.subjects)
      complaints.push(...(await injectInto(subject, plan, halves, random, report)));
    return complaints;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

async function injectInto(
  subject: Subject,
  plan: Plan,
  halves: string | undefined,
  random: () => number,
  report: (row: Row) => void,
): Promise<string[]> {
  const complaints: { fault: Fault; text: string }[] = [];
  // Said at once, too: a long run may be ended before its table.
  const complain = (fault: Fault, text: string): void => {
    console.error(text);
    complaints.push({ fault, text });
  };
  await using first = new Trial(subject, halves, complain);
  const points = (await first.points()).filter(({ text }) => plan.only?.test(text) ?? true);
  const chosen = plan.faults.map((fault) => {
    const all = possible(fault, points);
    return { fault, calls: all.length, points: some(all, plan.most, random) };
  });
  const attempts = chosen.flatMap(({ fault, points }) => points.map((point) => ({ fault, point })));
  const results = await inLanes(subject, attempts, first, plan, halves, complain);
  for (const { fault, calls } of chosen) {
    const bad = complaints.filter((complaint) => complaint.fault === fault).length;
    const of = results.filter(({ attempt }) => attempt.fault === fault);
    report(rowOf(subject.name, fault.name, calls, of, bad));
  }
  return complaints.map(({ text }) => text);
}

/** Milliseconds between two lines about how far it is. */
const often = 15_000;

/** All attempts, a few at a time, each lane in a home of its own. */
async function inLanes(
  subject: Subject,
  attempts: readonly Attempt[],
  first: Trial,
  plan: Plan,
  halves: string | undefined,
  complain: (fault: Fault, text: string) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = attempts.values();
  let told = Date.now();
  const work = async (trial: Trial): Promise<void> => {
    for (const attempt of waiting) {
      const result = await trial.run(attempt);
      results.push(result);
      plan.tell?.(result);
      if (Date.now() - told < often) continue;
      told = Date.now();
      console.error(`${subject.name}: ${results.length} of ${attempts.length} runs`);
    }
    await trial.settle();
  };
  const lane = async (): Promise<void> => {
    await using trial = new Trial(subject, halves, complain);
    await work(trial);
  };
  const more = Math.min(plan.lanes ?? 1, attempts.length) - 1;
  await Promise.all([work(first), ...Array.from({ length: Math.max(more, 0) }, lane)]);
  return results;
}

function tell({ attempt: { fault, point }, outcome, duplicated }: Result): void {
  const twice = duplicated > 0 ? `, ${duplicated} twice` : "";
  console.error(`${fault.name} at ${point.call} ${point.nth}: ${outcome}${twice}\n  ${point.text}`);
}

const headOf = (command: string): string => `# Faults at system calls

Each program was run once for each of its system calls and each fault, with that fault at that call: killed before it,
the call failing, or a write carried out in part. The columns: system calls that can have the fault, runs, runs in which
the call came and the fault happened, what the runs came to, messages that were delivered twice, and outcomes that no
manual page names, among them each lost or torn message and each file that stays in the queue for ever.

- **taken**: acknowledged, and delivered whole afterwards. **refused in words**: the client was told so by the protocol.
  **exit N**: a temporary failure of the program's manual page, nothing acknowledged. **killed**: by the fault.
- **delivered**: the system worked it off in spite of the fault; **after a restart**: it was put off, or the system ended
  or was not done when nothing had happened for half a second, and the next start delivered it.
- **sent**, **put off**: what qmail-remote says. **removed as told**, **nothing removed**: what the POP3 session did.
- **twice**: who is killed, or whose barrier fails, between a delivery and its mark cannot say that it is made, and makes
  it again. Nothing is ever acknowledged on a barrier that failed.
- **not met**: the run took another way, and ended before that call.
- Left out are the calls of the runtime before a program touches its first file, and those about memory, threads, clocks,
  users and the event loop. The queues have 3 folders instead of 23; a program goes through each with the same calls.

Made on ${new Date().toISOString().slice(0, 10)} with \`${command}\`, Linux ${release()}, ${cpus().length} processors (${cpus()[0]?.model ?? "unknown"}).
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      subject: { type: "string", multiple: true, default: [] },
      fault: { type: "string", multiple: true, default: [] },
      most: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "" },
      lanes: { type: "string", default: "6" },
      from: { type: "string" },
      out: { type: "string" },
      tell: { type: "boolean", default: false },
    },
  });
  const chosen = <Item extends { name: string }>(all: readonly Item[], names: readonly string[]): Item[] =>
    all.filter(({ name }) => names.length === 0 || names.includes(name));
  const begin = values.from === undefined ? 0 : subjects.findIndex(({ name }) => name === values.from);
  if (begin === -1)
    throw new Error(`no subject ${values.from}: ${subjects.map(({ name }) => name).join("; ")}`);
  const before = new Set(subjects.slice(0, begin).map(({ name }) => name));
  const plan = {
    subjects: chosen(subjects.slice(begin), values.subject),
    faults: chosen(faults, values.fault),
    most: Number(values.most),
    seed: Number(values.seed),
    only: new RegExp(values.only),
    lanes: Number(values.lanes),
    ...(values.tell ? { tell } : {}),
  };
  const kept =
    values.out === undefined ? [] : rowsIn(values.out).filter(({ program }) => before.has(program));
  const rows: Row[] = [...kept];
  const words = values.most === "1000000" ? [] : ["--most", values.most];
  const head = headOf(["npm run torture -- --only faults", ...words].join(" "));
  const complaints = await injectFaults(plan, (row) => {
    rows.push(row);
    if (values.out !== undefined) writeTable(values.out, head, rows);
    console.error(
      `${row.program}, ${row.fault}: ${row.runs} runs, ${row.outcomes}${row.bad > 0 ? `, ${row.bad} bad` : ""}`,
    );
  });
  printTable(`faults at system calls, seed ${plan.seed}`, rows);
  const sum = (key: "calls" | "runs" | "hits"): number => rows.reduce((total, row) => total + row[key], 0);
  console.log(`${sum("runs")} runs at ${sum("calls")} points, ${sum("hits")} with their fault`);
  console.log(`undocumented outcomes: ${complaints.length}`);
  for (const complaint of complaints) console.log(complaint);
  return complaints.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main();
