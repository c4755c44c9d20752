/** One program, run again and again with a fault, and what its runs came to. */
import { rmSync } from "node:fs";
import { Bench, type Run } from "./bench.ts";
import { everyWrite, type Fault, halvesIn, halving, injection, isHalf } from "./faults.ts";
import { injectedIn, type Point, pointsIn } from "./points.ts";
import { ObserverFailed, type Subject } from "./subject.ts";

/** A fault at a point. */
export interface Attempt {
  fault: Fault;
  point: Point;
}

/** What a run came to. */
export interface Result {
  attempt: Attempt;
  end: number | string;
  outcome: string;
  /** The fault happened. */
  hit: boolean;
  duplicated: number;
}

/** How often a run is tried to be observed. */
const attempts = 5;

/** Runs that are settled together. */
const together = 40;

/** Ends that are always right: of who is killed. */
const whenKilled = ["SIGKILL", 137];

/** Without these calls nothing may be acknowledged, even if all looks well to who reads it now. */
const barriers = /^(fsync|fdatasync|syncfs)$/;

const isLost = ({ fault, point }: Attempt): boolean =>
  barriers.test(point.call) && fault.action.startsWith("error=");

/** strace does not carry out a call that fails; but Linux closes what it says it could not, and the peer hears of it. */
const isImpossible = (fault: Fault, { text }: Point): boolean =>
  fault.action.startsWith("error=") && /^close\(\d+<(socket|TCP|UNIX|pipe)/.test(text);

/** Where this fault can be. */
export const possible = (fault: Fault, points: readonly Point[]): Point[] =>
  points.filter((point) => fault.calls.test(point.call) && !isImpossible(fault, point));

/** In words: what became of it. */
function outcomeOf({ end, acknowledged, outcome }: Run): string {
  if (outcome !== undefined) return outcome;
  if (end !== 0)
    return `${whenKilled.includes(end) ? "killed" : `exit ${end}`}${acknowledged ? ", taken" : ""}`;
  return acknowledged === undefined ? "exit 0" : acknowledged ? "taken" : "refused in words";
}

export class Trial implements AsyncDisposable {
  readonly #bench = new Bench();
  readonly #subject: Subject;
  readonly #trace: string;
  readonly #halves: string | undefined;
  readonly #complain: (fault: Fault, text: string) => void;
  #unsettled: Result[] = [];

  /** `halves`: where halves.c was compiled to, if it was. */
  constructor(
    subject: Subject,
    halves: string | undefined,
    complain: (fault: Fault, text: string) => void = () => {},
  ) {
    this.#subject = subject;
    this.#trace = this.#bench.beside("trace");
    this.#halves = halves;
    this.#complain = complain;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bench.remove();
  }

  /** The points of a run without a fault. */
  async points(): Promise<Point[]> {
    await this.#without(["strace", "-f", "-y", "-qq", "-o", this.#trace]);
    const points = pointsIn(this.#trace, this.#bench.path, this.#subject.follow);
    if (this.#halves === undefined) return points;
    await this.#without(halving(this.#halves, this.#subject.follow, this.#trace, 0));
    return [...points, ...halvesIn(this.#trace), everyWrite];
  }

  async #without(through: readonly string[]): Promise<void> {
    const { end, complaints } = await this.#subject.run(this.#bench, through, false);
    const settled = await this.#bench.settle();
    if (end !== 0 || complaints.length + settled.complaints.length > 0)
      throw new Error(
        `${this.#subject.name} without a fault: ${end} ${[...complaints, ...settled.complaints]}`,
      );
  }

  async run(attempt: Attempt): Promise<Result> {
    const { fault, point } = attempt;
    const killed = fault.name === "SIGKILL";
    const through = injection(fault, point, this.#trace, this.#subject.follow, this.#halves ?? "");
    const run = await this.#observed(through, killed);
    const documented = isHalf(fault) ? [0] : this.#subject.ends;
    const allowed = killed ? [...documented, ...whenKilled] : documented;
    const wrong = [
      ...(allowed.includes(run.end) ? [] : [`ended with ${run.end}`]),
      ...(run.acknowledged === true && isLost(attempt) ? ["acknowledged, though it is not durable"] : []),
      ...(run.acknowledged === false && isHalf(fault) ? ["not taken, though nothing failed"] : []),
    ];
    for (const text of [...run.complaints, ...wrong])
      this.#complain(
        fault,
        `${this.#subject.name}, ${fault.name} at ${point.call} ${point.nth}: ${text}\n  ${point.text}`,
      );
    const hit = injectedIn(this.#trace).length > 0;
    const outcome = hit ? outcomeOf(run) : "not met";
    const result = { attempt, end: run.end, outcome, hit, duplicated: run.duplicated ?? 0 };
    if (this.#subject.settlesLater) this.#unsettled.push(result);
    if (this.#unsettled.length >= together) await this.settle();
    return result;
  }

  /** A run that nobody could observe to its end is made again. */
  async #observed(through: readonly string[], killed: boolean): Promise<Run> {
    for (let attempt = 1; ; attempt++) {
      try {
        rmSync(this.#trace, { force: true });
        return await this.#subject.run(this.#bench, through, killed);
      } catch (failure) {
        if (!(failure instanceof ObserverFailed) || attempt === attempts) throw failure;
      }
    }
  }

  /** What became of the messages of the runs since the last time; a complaint is of all of them. */
  async settle(): Promise<void> {
    const last = this.#unsettled.at(-1);
    if (last === undefined) return;
    const { complaints, duplicated } = await this.#bench.settle();
    last.duplicated += duplicated;
    const all = this.#unsettled.map(
      ({ attempt: { fault, point } }) => `${fault.name} at ${point.call} ${point.nth}`,
    );
    this.#unsettled = [];
    for (const text of complaints)
      this.#complain(last.attempt.fault, `${this.#subject.name}: ${text}\n  after one of: ${all.join(", ")}`);
  }
}
