/** A seed: the run without a power cut, and one more from what each of its power cuts leaves. */
import { directories, giveOrder, repair, Submitters, System } from "./actors.ts";
import { checkDisk, checkEnd, isClean, leftOver, type Verdict } from "./check.ts";
import { Disk, type Mode } from "./disk.ts";
import { numberIn, type Plan, planOf, type Scenario, scenarioOf } from "./plan.ts";
import { Random } from "./random.ts";
import { Truth } from "./truth.ts";
import { type Factory, queue, type Setting, start, World } from "./world.ts";

/** A power cut: before which call, and what it left. */
export interface Cut {
  step: number;
  /** Which of those at the same call. */
  which: number;
  label: string;
  disk: Disk;
  truth: Truth;
  now: number;
  /** Power cuts before this one. */
  before: number;
}

/** Something that is not as it has to be. */
export interface Failure {
  seed: number;
  mode: Mode;
  /** Undefined: without a power cut. */
  at: { step: number; which: number; label: string } | undefined;
  kind: string;
  words: string[];
}

export interface Counts {
  runs: number;
  calls: number;
  states: number;
  /** By what was about to be done. */
  byStep: Map<string, number>;
  acknowledged: number;
  duplicates: number;
  failures: Failure[];
}

export interface Options {
  factory: Factory;
  mode?: Mode | undefined;
  /** How many power cuts of a seed are looked at, and how many at one call. */
  cuts: number;
  perCall: number;
  without?: string | undefined;
  barriers?: Set<string> | undefined;
  /** Only this one, with its calls. */
  only?: { step: number; which: number | undefined } | undefined;
  trace?: ((line: string) => void) | undefined;
}

const day = 86_400_000;

/** Files that are nobody's and harmless: they go when their number is a message's again. */
const stray = /^(local|remote|bounce)\//;

export function newDisk(mode: Mode, seed: number): Disk {
  const disk = new Disk(mode, new Random("disk", seed));
  const furnished = new Set<string>();
  for (const path of directories) {
    const parts = path.split("/").slice(1);
    for (let count = 1; count <= parts.length; count++) {
      const above = `/${parts.slice(0, count).join("/")}`;
      if (!furnished.has(above)) disk.furnish(above);
      furnished.add(above);
    }
  }
  disk.furnish(`${queue}/lock/sendmutex`, "file");
  disk.furnish(`${queue}/lock/trigger`, "fifo");
  return disk;
}

/** Lets a system run until nothing is left to do; what was wrong. */
function live(
  world: World,
  plans: readonly Plan[],
  scenario: Scenario,
): { verdict: Verdict; problems: string[] } {
  const { epoch } = world.setting;
  const system = new System(world);
  const submitters = new Submitters(world);
  const mend = (): void => {
    repair(world);
    world.advance(world.now);
    world.truth.repaired = true;
  };
  if (epoch > 0 && world.random.chance(0.15)) mend();
  let mended = false;
  const usual = world.random.of([0, 0, 30]);
  system.start(epoch === 0 ? (scenario.start ?? usual) : usual);
  for (const plan of plans)
    if (!world.truth.begun.has(plan.number))
      submitters.submit(plan, epoch === 0 ? plan.at : world.random.below(60));
  if (epoch === 0) {
    for (const order of scenario.orders) giveOrder(world, order, order.at);
    for (const at of scenario.stops) {
      const process = world.process("svc");
      world.after(at, process, () => system.stop());
    }
  }
  let end = world.now + 10 * day;
  for (let rounds = 0; world.problems.length === 0; ) {
    if (world.quiet) lookAtMarks(world);
    if (!world.quiet || (isBusy(world.disk) && world.now < end)) {
      if (world.quiet && isHeld(world.disk)) giveOrder(world, { verb: "release", among: () => true }, 10);
      if (world.advance() && world.now < end) continue;
    }
    if (leftOver(world.disk).length === 0) break;
    if (rounds === 3) {
      if (mended || !wantsSender(world)) break;
      // An operator finds it.
      mend();
      mended = true;
      end = world.now + 10 * day;
      rounds = 0;
    }
    // What is in nobody's hands is swept after a day and a half, when the system starts.
    rounds++;
    world.pass(1.6 * day);
    system.restart();
  }
  return { verdict: checkEnd(world.disk, world.truth, byNumber(plans)), problems: world.problems };
}

/** Whether a message of ours that nobody accepted or removed has no sender: that is for `qmail queue repair`. */
function wantsSender({ disk, truth }: World): boolean {
  return [...disk.filesBelow(`${queue}/info`)].some(([path, { data }]) => {
    const id = path.slice(path.lastIndexOf("/") + 1);
    const number = numberOf(disk, id);
    const isTold = truth.acknowledged.has(number) || truth.removed.has(number);
    return truth.begun.has(number) && !isTold && !data.toString("latin1").startsWith("F");
  });
}

/** No message is held of which an operator was told that it is released, or whose recipients all got it. */
function lookAtMarks({ disk, truth, problems }: World): void {
  for (const [path, { data }] of disk.filesBelow(`${queue}/hold`)) {
    if (!data.toString("latin1").startsWith("vhold\0")) continue;
    const id = path.slice(path.lastIndexOf("/") + 1);
    const number = numberOf(disk, id);
    if (truth.released.has(number)) problems.push(`message ${number} is held though it was released`);
    const place = `${Number(id) % 3}/${id}`;
    const lists = ["local", "remote"].map((list) => disk.find(`${queue}/${list}/${place}`)).filter(Boolean);
    const isOver = lists.length > 0 && lists.every((list) => !/(^|\0)T/.test(`${list?.data}`));
    if (isOver && truth.excuses === 0 && disk.find(`${queue}/todo/${id}`) === undefined)
      problems.push(`message ${number} is held, but nobody is left to get it`);
  }
}

/** Which message has that number in the queue; none of the plan's: -1, as for a bounce. */
function numberOf(disk: Disk, id: string): number {
  const text = disk.find(`${queue}/mess/${Number(id) % 3}/${id}`)?.data.toString("latin1") ?? "";
  return text.slice(0, text.indexOf("\n")).includes("for bounce") ? -1 : numberIn(text);
}

/** What the operators may expect after a power cut: what they ordered is carried out before any message is tried. */
function truthAfterCut({ disk, truth }: World): Truth {
  const copy = truth.copy();
  copy.excuses++;
  const asked = [...disk.filesBelow(`${queue}/ask`)].flatMap(
    ([path]) => /([^/]+)\.(?:ask|act)$/.exec(path)?.[1] ?? [],
  );
  for (const name of asked.sort()) {
    // One that is just being given may be carried out, or not.
    const isGiven = copy.given.has(name);
    const file = disk.find(`${queue}/ask/${name}.ask`) ?? disk.find(`${queue}/ask/${name}.act`);
    const records = file?.data.toString("latin1").split("\0") ?? [];
    // With answers it is carried out, and what it did is durable.
    if (file === undefined || records.some((record) => record.startsWith("a"))) continue;
    for (const record of records) {
      const [, id = "", identity = ""] = /^m(\d+) (\d+)$/.exec(record) ?? [];
      const message = disk.find(`${queue}/mess/${Number(id) % 3}/${id}`);
      if (id === "" || message?.modified.toString() !== identity) continue;
      const number = numberOf(disk, id);
      if (records[0] === "vhold" && isGiven) copy.held.add(number);
      if (records[0] === "vhold") copy.released.delete(number);
      if (records[0] === "vrelease") copy.held.delete(number);
      if (isGiven && (records[0] === "vremove" || records[0] === "vbounce")) copy.over.add(number);
    }
  }
  return copy;
}

const isBusy = (disk: Disk): boolean =>
  leftOver(disk).some((path) => path.startsWith("todo/") || path.startsWith("info/"));
const isHeld = (disk: Disk): boolean => [...disk.filesBelow(`${queue}/hold`)].length > 0;

const byNumber = (plans: readonly Plan[]): Map<number, Plan> =>
  new Map(plans.map((plan) => [plan.number, plan]));

/** Leaves out one barrier in runs that meet it, until something is wrong, or these seeds are over. */
export function withoutBarrier(
  barrier: string,
  seeds: readonly number[],
  options: Options,
): Counts & { seeds: number } {
  const counts = newCounts();
  let tried = 0;
  for (const seed of seeds) {
    if (counts.failures.length > 0) break;
    tried++;
    simulate(seed, { ...options, without: barrier }, counts);
  }
  return { ...counts, seeds: tried };
}

/** Which of these seeds meet each barrier. */
export function barriersIn(seeds: readonly number[], options: Options): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const seed of seeds) {
    const barriers = new Set<string>();
    simulate(seed, { ...options, cuts: 0, barriers }, newCounts());
    for (const barrier of barriers) found.set(barrier, [...(found.get(barrier) ?? []), seed]);
  }
  return found;
}

export function newCounts(): Counts {
  return { runs: 0, calls: 0, states: 0, byStep: new Map(), acknowledged: 0, duplicates: 0, failures: [] };
}

/** All of one seed. */
export function simulate(seed: number, options: Options, counts: Counts): void {
  const scenario = scenarioOf(seed, options.mode);
  const cuts: Cut[] = [];
  const seen = new Set<string>();
  const { only } = options;
  // How many there will be nobody knows before: those at every so many calls.
  const every =
    only === undefined && options.without === undefined ? new Random("every", seed).of([1, 3, 10]) : 1;
  const explore = (world: World, label: string): void => {
    if (options.without !== undefined && world.leftOut === 0) return;
    if (
      only !== undefined ? world.step !== only.step : world.step % every !== 0 || cuts.length >= options.cuts
    )
      return;
    const random = new Random("cut", seed, world.step);
    for (const [which, cut] of world.disk.cuts(options.perCall, random).entries()) {
      const disk = world.disk.after(cut, new Random("after", seed, world.step, which));
      if (only?.which !== undefined && only.which !== which) continue;
      const signature = `${disk.signature()} ${[...world.truth.acknowledged].join()}`;
      if (seen.has(signature)) continue;
      seen.add(signature);
      const truth = truthAfterCut(world);
      cuts.push({ step: world.step, which, label, disk, truth, now: world.now, before: 0 });
    }
  };
  const common = { scenario, factory: options.factory, without: options.without, barriers: options.barriers };
  const trace = options.trace;
  const world = new World({
    ...common,
    disk: newDisk(scenario.mode, seed),
    truth: new Truth(),
    random: new Random("run", seed),
    epoch: 0,
    now: start,
    calm: false,
    explore,
    trace: trace && ((line) => (only === undefined || world.step <= only.step ? trace(line) : undefined)),
  });
  const { verdict, problems } = live(world, scenario.plans, scenario);
  counts.runs++;
  counts.calls += world.step;
  counts.acknowledged += world.truth.acknowledged.size;
  if (only === undefined) note(counts, seed, scenario.mode, undefined, verdict, problems);
  for (const cut of cuts) restart(cut, scenario, common, counts, trace);
}

function restart(
  cut: Cut,
  scenario: Scenario,
  common: Pick<Setting, "scenario" | "factory" | "without" | "barriers">,
  counts: Counts,
  trace: Options["trace"],
): void {
  const { step, which, label, truth, disk, before } = cut;
  const { seed, mode } = scenario;
  counts.states++;
  const kind = before === 0 ? label : "while recovering";
  counts.byStep.set(kind, (counts.byStep.get(kind) ?? 0) + 1);
  trace?.(`power cut before call ${step} (${label}), state ${which}; on the disk:\n${disk.signature()}`);
  const random = new Random("restart", seed, step, which, before);
  // One more message, which may get a number that was another's.
  const plans = [
    ...scenario.plans,
    ...Array.from({ length: before + 1 }, (_, more) => extra(cut, seed, more)),
  ];
  const at = { step, which, label };
  note(counts, seed, mode, at, checkDisk(disk, truth, byNumber(plans)), []);
  // The power fails once more before all is done.
  let second: Cut | undefined;
  const draw = new Random("again", seed, step, which);
  const chance = draw.chance(0.15) ? draw.of([0.1, 0.02, 0.005]) : 0;
  const again = (world: World, word: string): void => {
    if (second !== undefined || !draw.chance(chance)) return;
    const [chosen] = world.disk.cuts(1, draw);
    if (chosen === undefined) return;
    const words = `${label}, and again before call ${world.step}, ${word}`;
    second = {
      ...cut,
      label: words,
      disk: world.disk.after(chosen, draw),
      truth: truthAfterCut(world),
      now: world.now,
      before: 1,
    };
  };
  const world = new World({
    ...common,
    disk,
    truth,
    random,
    epoch: before + 1,
    now: cut.now + 40_000,
    calm: true,
    explore: before === 0 ? again : undefined,
    trace,
  });
  const { verdict, problems } = live(world, plans, scenario);
  counts.calls += world.step;
  counts.duplicates += verdict.duplicates;
  note(counts, seed, mode, at, verdict, problems);
  if (second !== undefined) restart(second, scenario, common, counts, trace);
}

/** A message that comes after a power cut. */
const extra = ({ step, which }: Cut, seed: number, more: number): Plan =>
  planOf(50 + more, 0, new Random("extra", seed, step, which, more));

function note(
  counts: Counts,
  seed: number,
  mode: Mode,
  at: Failure["at"],
  verdict: Verdict,
  problems: readonly string[],
): void {
  const left = verdict.left.filter((path) => !stray.test(path));
  const found = { ...verdict, left };
  if (problems.length > 0) counts.failures.push({ seed, mode, at, kind: "fell over", words: [...problems] });
  if (isClean(found)) return;
  for (const kind of ["lost", "torn", "confused", "twice", "left"] as const)
    if (found[kind].length > 0) counts.failures.push({ seed, mode, at, kind, words: found[kind] });
}
