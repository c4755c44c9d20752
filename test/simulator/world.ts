/**
 * One machine from power on to the end of all mail: processes, their calls one at a time, and the time. Who goes on is
 * drawn from the seed. At a call of one process others may run before it is done, up to whole steps of theirs, and they
 * are interrupted at their calls in turn: so a power cut meets any two of them anywhere in the middle.
 *
 * A step of another process that began at such a call is over before the first one goes on; that is the one kind of
 * interleaving that is left out. In return nothing needs threads, and a run takes milliseconds.
 */
import { drainMicrotasks } from "bun:jsc";
import { constants } from "node:os";
import { barrierAt } from "./barriers.ts";
import { callsOf, closeAll, type Kernel, Killed, Locks, type ProcessState, type Table } from "./calls.ts";
import type { Disk } from "./disk.ts";
import type { Scenario } from "./plan.ts";
import type { Calls, Inside, Surroundings } from "./program.ts";
import type { Random } from "./random.ts";
import type { Truth } from "./truth.ts";

export const home = "/home";
export const queue = `${home}/queue`;
export const start = 1_000_000_000_000;

/** How deep processes interrupt each other, and how often at a call. */
const deepest = 3;
const interruption = 0.12;

/** What a call takes, in milliseconds. */
const callTime = 0.05;

/** After so many milliseconds the system has written everything by itself. */
const flushTime = 60_000;

export type Factory = (surroundings: Surroundings) => Inside;

export interface Setting {
  scenario: Scenario;
  disk: Disk;
  truth: Truth;
  random: Random;
  factory: Factory;
  /** How many power cuts there were before. */
  epoch: number;
  now: number;
  /** Nothing fails, and nobody dies. */
  calm: boolean;
  /** The barrier that is left out, or several with "and" between them. */
  without?: string | undefined;
  /** Called before each call that finds the disk other than the one before. */
  explore?: ((world: World, label: string) => void) | undefined;
  /** Every call. */
  trace?: ((line: string) => void) | undefined;
  /** Barriers that were met. */
  barriers?: Set<string> | undefined;
}

interface Event {
  at: number;
  process: Process;
  run: () => void;
  /** May run while another process is in a call. */
  nests: boolean;
  /** Only waits for time to pass. */
  timer: boolean;
}

export class Process implements ProcessState {
  readonly name: string;
  readonly pid: number;
  cwd = queue;
  dead = false;
  inCall = false;
  readonly table: Table;
  readonly calls: Calls;
  readonly program: Inside;
  readonly threads: Process[] = [];
  /** Whose thread it is. */
  readonly of: Process | undefined;
  /** What happens when it ends before its time. */
  onDeath: () => void = () => {};

  constructor(world: World, name: string, pid: number, of?: Process) {
    this.name = name;
    this.pid = pid;
    this.of = of;
    this.table = of?.table ?? { open: new Map(), next: 10 };
    this.calls = callsOf(world, this, world.locks);
    this.program = world.programOf(this);
    of?.threads.push(this);
  }
}

export class World implements Kernel {
  readonly setting: Setting;
  readonly disk: Disk;
  readonly truth: Truth;
  readonly random: Random;
  readonly locks = new Locks();
  now: number;
  /** Calls so far. */
  step = 0;
  /** How often a barrier was left out. */
  leftOut = 0;
  /** How often qmail-send ended because a call failed. */
  fallen = 0;
  /** What nobody foresaw. */
  readonly problems: string[] = [];
  /** Whoever listens to lock/trigger. */
  onTrigger: (() => boolean) | undefined;
  #events: Event[] = [];
  #depth = 0;
  #pid: number;
  #explored = -1;
  #faults = 0;
  #kills = 0;
  #line = "";

  constructor(setting: Setting) {
    this.setting = setting;
    this.disk = setting.disk;
    this.truth = setting.truth;
    this.random = setting.random;
    this.now = setting.now;
    this.disk.now = () => this.now;
    this.#pid = 300 + this.random.below(20);
  }

  get seconds(): number {
    return Math.floor(this.now / 1000);
  }

  process(name: string): Process {
    return new Process(this, name, this.#pid++);
  }

  /** Later, as that process. */
  after(
    milliseconds: number,
    process: Process,
    run: () => void,
    how: Partial<Pick<Event, "nests" | "timer">> = {},
  ): void {
    this.#events.push({ at: this.now + milliseconds, process, run, nests: true, timer: false, ...how });
  }

  /** A process ends by itself. */
  exit(process: Process): void {
    if (process.dead) return;
    process.dead = true;
    for (const thread of process.threads) thread.dead = true;
    closeAll(this.disk, process, this.locks);
  }

  /** It is killed; with a thread all of its process is. */
  kill(killed: Process): void {
    const process = killed.of ?? killed;
    if (process.dead) return;
    this.exit(process);
    process.onDeath();
  }

  /** Follows what a process does asynchronously. */
  follow<Result>(
    process: Process,
    work: Promise<Result>,
    done: (result: Result) => void,
    failed: (thrown: unknown) => void,
  ): void {
    work.then(done).catch((thrown: unknown) => {
      if (thrown instanceof Killed) this.kill(process);
      else failed(thrown);
    });
  }

  problem(words: string, thrown?: unknown): void {
    const stack = thrown instanceof Error ? `${thrown.stack ?? thrown.message}` : String(thrown ?? "");
    this.problems.push(`${words} ${stack}`.trim());
  }

  /** Runs what is due until time has to pass. False: nothing will ever happen. */
  advance(until = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      drainMicrotasks();
      const event = this.#pick(false);
      if (event !== undefined) {
        this.#run(event);
        continue;
      }
      const next = this.#events.reduce(
        (first, { at, process }) => (process.dead ? first : Math.min(first, at)),
        Infinity,
      );
      if (next > until) return false;
      this.pass(next - this.now);
      return true;
    }
  }

  /** Time passes in which nothing happens. */
  pass(milliseconds: number): void {
    if (milliseconds > flushTime) this.disk.syncAll();
    this.now += milliseconds;
  }

  /** Whether everybody only waits for time to pass. */
  get quiet(): boolean {
    return !this.#events.some(({ timer, process }) => !timer && !process.dead);
  }

  #pick(nested: boolean): Event | undefined {
    this.#events = this.#events.filter(({ process }) => !process.dead);
    const due = this.#events.filter(
      ({ at, process, nests }) => at <= this.now && !process.inCall && (nests || !nested),
    );
    if (due.length === 0) return undefined;
    const event = this.random.of(due);
    this.#events.splice(this.#events.indexOf(event), 1);
    return event;
  }

  #run({ process, run }: Event): void {
    this.#depth++;
    try {
      run();
    } catch (thrown) {
      if (thrown instanceof Killed) this.kill(process);
      else this.problem(`${process.name} fell over:`, thrown);
    } finally {
      this.#depth--;
    }
  }

  enter(process: Process, call: string, path: string): string | undefined {
    this.step++;
    const { scenario, explore, calm } = this.setting;
    const line = `${process.name} ${call} ${path}`;
    if (explore !== undefined && this.#explored !== this.disk.version + this.truth.acknowledged.size) {
      this.#explored = this.disk.version + this.truth.acknowledged.size;
      explore(this, labelOf(process.name, call, path));
    }
    this.now += callTime;
    if (this.#depth < deepest && this.random.chance(interruption)) {
      const event = this.#pick(true);
      if (event !== undefined) this.#run(event);
    }
    if (process.dead) throw new Killed();
    if (this.random.chance(0.01)) this.disk.writeBackSome();
    this.#line = line;
    if (calm) return undefined;
    if (this.#kills < scenario.kills.most && this.random.chance(scenario.kills.rate)) {
      this.#kills++;
      this.truth.excuses++;
      this.setting.trace?.(`${this.step}: ${line}: killed`);
      this.kill(process);
      throw new Killed();
    }
    if (this.#faults >= scenario.faults.most || !this.random.chance(scenario.faults.rate)) return undefined;
    const code = faultOf(call, this.random);
    if (code === undefined) return undefined;
    this.#faults++;
    this.truth.excuses++;
    return code;
  }

  leave(process: Process, outcome: string): void {
    this.setting.trace?.(
      `${this.step}: ${process.name}[${process.pid}] ${this.#line.slice(process.name.length + 1)}${outcome}`,
    );
  }

  leavesOut(call: string, path: string): boolean {
    const { without, barriers } = this.setting;
    if (without === undefined && barriers === undefined) return false;
    const name = barrierAt(call, path);
    barriers?.add(name);
    const leftOut = without?.split(" and ").includes(name) ?? false;
    if (leftOut) this.leftOut++;
    return leftOut;
  }

  wake({ pid }: ProcessState): boolean {
    for (const file of this.disk.find(`${queue}/ask`)?.entries.keys() ?? [])
      if (file.includes(`.${pid}.`)) this.truth.given.add(file.slice(0, file.lastIndexOf(".")));
    return this.onTrigger?.() ?? false;
  }

  /** Production code for a new process. */
  programOf(process: Process): Inside {
    const world = this;
    class Thread {
      onmessage: ((event: { data: unknown }) => void) | undefined;
      onerror: unknown;
      readonly #thread: Process;
      readonly #self: {
        onmessage?: (event: { data: unknown }) => void;
        postMessage?: (data: unknown) => void;
      };

      constructor() {
        this.#thread = new Process(world, "flush thread", process.pid, process);
        this.#self = selves.get(this.#thread) ?? {};
        this.#self.postMessage = (data) => world.after(0.1, process, () => this.onmessage?.({ data }));
      }

      postMessage(data: unknown): void {
        world.after(world.random.of([0, 0.3, 2]), this.#thread, () => this.#self.onmessage?.({ data }));
      }

      terminate(): void {}
    }
    const self = {};
    selves.set(process, self);
    return this.setting.factory({
      calls: process.calls,
      process: {
        pid: process.pid,
        env: { QMAILHOME: home },
        getuid: () => 1000,
        geteuid: () => 1000,
        getBuiltinModule: (name: string) => {
          if (name !== "node:os") throw new Error(`simulator: no ${name} here`);
          return { constants, release: () => "6.1" };
        },
        getgid: () => 1000,
        getegid: () => 1000,
        umask: () => 0o22,
      },
      now: () => this.now,
      sleep: (milliseconds) =>
        new Promise((resolve) => this.after(milliseconds, process, resolve, { nests: false })),
      pause: (milliseconds) => {
        this.now += milliseconds;
      },
      Worker: Thread,
      self,
      spawn: ({ descriptors }) => this.#spawnCleaner(process, descriptors),
    });
  }

  /** qmail-clean as the child of a queue tool: it answers when its answer is waited for. */
  #spawnCleaner(parent: Process, [input, output]: readonly unknown[]): object {
    const requests = parent.calls.libc.pipeOf(input as number);
    const answers = parent.calls.libc.pipeOf(output as number);
    const child = this.process("qmail-clean");
    parent.threads.push(child);
    if (answers !== undefined && requests !== undefined)
      answers.fill = () => {
        const end = requests.bytes.indexOf(0);
        if (end < 0) return;
        const request = requests.bytes.toString("latin1", 0, end);
        requests.bytes = requests.bytes.subarray(end + 1);
        const { Cleaning, queuePath } = child.program;
        answers.bytes = Buffer.from(new Cleaning(queuePath).answer(request));
      };
    return { pid: child.pid, exited: Promise.resolve(0), exitCode: 0, signalCode: null, kill: () => {} };
  }
}

/** The global object of each process. */
const selves = new WeakMap<Process, { onmessage?: (event: { data: unknown }) => void }>();

function faultOf(call: string, random: Random): string | undefined {
  switch (call) {
    case "create":
    case "write":
    case "link":
    case "rename":
      return random.of(["ENOSPC", "EIO"]);
    case "close":
    case "fstat":
      return undefined;
    default:
      return "EIO";
  }
}

/** The directory, and not the message: `todo`, `directory mess`, `new`. */
export function placeOf(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  if (path.startsWith("/mail/")) {
    const [, , folder, file] = parts;
    return folder === undefined
      ? "directory of mbox"
      : folder === "mbox"
        ? folder
        : `${file ? "" : "directory "}${folder}`;
  }
  const [, , directory = "queue", second, third] = parts;
  const isSplit = ["mess", "info", "local", "remote"].includes(directory);
  return (isSplit ? third : second) === undefined ? `directory ${directory}` : directory;
}

const labelOf = (name: string, call: string, path: string): string => `${name}: ${call} ${placeOf(path)}`;
