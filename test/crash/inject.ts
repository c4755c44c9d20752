/**
 * A fault at every system call: each program is run again and again, every time with one call that is killed or fails.
 * It must end as its manual page says, and afterwards, with no fault, every message that was acknowledged must come,
 * whole, and nothing may stay in the queue for ever.
 *
 *   bun test/crash/inject.ts [--subject NAME ...] [--fault NAME ...] [--most N] [--seed 1]
 *                            [--only REGEXP]
 *
 * `--most`: of the calls of a program that can have a fault, only so many, spread by the seed. Needs strace.
 */
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { randomFrom } from "../scenarios/kill.ts";
import { Bench, type Run } from "./bench.ts";
import { daemons } from "./daemons.ts";
import { compileHalves, everyWrite, type Fault, faults, injection, isHalf } from "./faults.ts";
import { oneShots } from "./one-shot.ts";
import { injectedIn, type Point, pointsIn } from "./points.ts";
import { servers } from "./servers.ts";
import { ObserverFailed, type Subject } from "./subject.ts";
import { printTable } from "./table.ts";

/** One row of the table. */
export interface Row {
  program: string;
  fault: string;
  /** Calls that can have it. */
  calls: number;
  runs: number;
  /** Runs in which the fault happened. */
  hits: number;
  duplicated: number;
  /** How the runs ended: end, how often. */
  ends: string;
  bad: number;
}

/** How often a run is tried to be observed. */
const attempts = 5;

/** Runs that are settled together. */
const together = 40;

export const subjects: readonly Subject[] = [...oneShots, ...daemons, ...servers];

/** Ends that are always right: of who is killed. */
const whenKilled = ["SIGKILL", 137];

/** Without these calls nothing may be acknowledged, even if all looks well to who reads it now. */
const barriers = /^(fsync|fdatasync|syncfs)$/;

const isLost = (fault: Fault, { call }: Point): boolean =>
  barriers.test(call) && fault.action.startsWith("error=");

/** strace does not carry out a call that fails; but Linux closes what it says it could not, and the peer hears of it. */
const isImpossible = (fault: Fault, { text }: Point): boolean =>
  fault.action.startsWith("error=") && /^close\(\d+<(socket|TCP|UNIX|pipe)/.test(text);

class Trial {
  readonly #bench: Bench;
  readonly #subject: Subject;
  readonly #trace: string;
  readonly #halves: string;
  readonly complaints: string[] = [];

  constructor(bench: Bench, subject: Subject) {
    this.#bench = bench;
    this.#subject = subject;
    this.#trace = bench.beside("trace");
    this.#halves = bench.beside("halves");
  }

  /** The points of a run without a fault. */
  async points(): Promise<Point[]> {
    const strace = ["strace", "-f", "-y", "-qq", "-o", this.#trace];
    const { end, complaints } = await this.#subject.run(this.#bench, strace, false);
    const settled = await this.#bench.settle();
    if (end !== 0 || complaints.length + settled.complaints.length > 0)
      throw new Error(
        `${this.#subject.name} without a fault: ${end} ${[...complaints, ...settled.complaints]}`,
      );
    const points = pointsIn(this.#trace, this.#bench.path, this.#subject.follow);
    return compileHalves(this.#halves) ? [...points, everyWrite] : points;
  }

  async withFault(fault: Fault, points: readonly Point[], calls: number): Promise<Row> {
    const ends = new Map<string, number>();
    const row = { program: this.#subject.name, fault: fault.name, calls, runs: 0, hits: 0, duplicated: 0 };
    const before = this.complaints.length;
    for (const [index, point] of points.entries()) {
      const run = await this.#once(fault, point);
      row.runs++;
      row.duplicated += run.duplicated ?? 0;
      if (injectedIn(this.#trace).length > 0) row.hits++;
      ends.set(String(run.end), (ends.get(String(run.end)) ?? 0) + 1);
      if (!this.#subject.settlesLater || ((index + 1) % together !== 0 && index + 1 < points.length))
        continue;
      row.duplicated += await this.#settle(fault);
    }
    const told = [...ends].sort().map(([end, count]) => `${end}:${count}`);
    return { ...row, ends: told.join(" "), bad: this.complaints.length - before };
  }

  async #once(fault: Fault, point: Point): Promise<Run> {
    const killed = fault.name === "SIGKILL";
    const strace = injection(fault, point, this.#trace, this.#subject.follow, this.#halves);
    const run = await this.#observed(strace, killed);
    const documented = isHalf(fault) ? [0] : this.#subject.ends;
    const allowed = killed ? [...documented, ...whenKilled] : documented;
    const wrong = [
      ...(allowed.includes(run.end) ? [] : [`ended with ${run.end}`]),
      ...(run.acknowledged === true && isLost(fault, point)
        ? ["acknowledged, though it is not durable"]
        : []),
      ...(run.acknowledged === false && isHalf(fault) ? ["not taken, though nothing failed"] : []),
    ];
    for (const text of [...run.complaints, ...wrong])
      this.#complain(
        `${this.#subject.name}, ${fault.name} at ${point.call} ${point.nth}: ${text}\n  ${point.text}`,
      );
    return run;
  }

  /** A run that nobody could observe to its end is made again. */
  async #observed(strace: readonly string[], killed: boolean): Promise<Run> {
    for (let attempt = 1; ; attempt++) {
      try {
        rmSync(this.#trace, { force: true });
        return await this.#subject.run(this.#bench, strace, killed);
      } catch (failure) {
        if (!(failure instanceof ObserverFailed) || attempt === attempts) throw failure;
      }
    }
  }

  async #settle(fault: Fault): Promise<number> {
    const { complaints, duplicated } = await this.#bench.settle();
    for (const text of complaints) this.#complain(`${this.#subject.name}, ${fault.name}: ${text}`);
    return duplicated;
  }

  /** Said at once, too: a long run may be ended before its table. */
  #complain(text: string): void {
    console.error(text);
    this.complaints.push(text);
  }
}

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
}

/** Does it; calls `report` with each row as soon as it is there. */
export async function injectFaults(plan: Plan, report: (row: Row) => void): Promise<string[]> {
  const random = randomFrom(plan.seed);
  const complaints: string[] = [];
  for (const subject of plan.subjects) {
    const bench = new Bench();
    const trial = new Trial(bench, subject);
    try {
      const points = (await trial.points()).filter(({ text }) => plan.only?.test(text) ?? true);
      for (const fault of plan.faults) {
        const possible = points.filter(
          (point) => fault.calls.test(point.call) && !isImpossible(fault, point),
        );
        report(await trial.withFault(fault, some(possible, plan.most, random), possible.length));
      }
      complaints.push(...trial.complaints);
    } finally {
      await bench.remove();
    }
  }
  return complaints;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      subject: { type: "string", multiple: true, default: [] },
      fault: { type: "string", multiple: true, default: [] },
      most: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "" },
    },
  });
  const chosen = <Item extends { name: string }>(all: readonly Item[], names: readonly string[]): Item[] =>
    all.filter(({ name }) => names.length === 0 || names.includes(name));
  const plan = {
    subjects: chosen(subjects, values.subject),
    faults: chosen(faults, values.fault),
    most: Number(values.most),
    seed: Number(values.seed),
    only: new RegExp(values.only),
  };
  const rows: Row[] = [];
  const complaints = await injectFaults(plan, (row) => {
    rows.push(row);
    console.error(
      `${row.program}, ${row.fault}: ${row.runs} runs, ${row.ends}${row.bad > 0 ? `, ${row.bad} bad` : ""}`,
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
