/** The processes of one mail system, in a cgroup: started, looked at and ended together. */
import { closeSync, existsSync, openSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isSystemError } from "../src/core/exit.ts";
import { makeGroup } from "./ground.ts";
import { processorTime, processTime, proportionalSize } from "./pure/counters.ts";

/** How a process of the group is started. */
export interface Start {
  environment?: Readonly<Record<string, string>>;
  /** File that gets its output. */
  log?: string;
  input?: string;
}

export const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class Group {
  readonly #directory = makeGroup();
  readonly #children: Bun.Subprocess[] = [];

  /** Starts a process; its children stay in the group, whatever they do. */
  spawn(command: readonly string[], { environment = {}, log, input }: Start = {}): Bun.Subprocess {
    const enter = `echo $$ >'${this.#directory}/cgroup.procs' && exec "$@"`;
    const output = log === undefined ? "ignore" : openSync(log, "a");
    const child = Bun.spawn(["/bin/sh", "-c", enter, "sh", ...command], {
      stdio: [input === undefined ? "ignore" : Bun.file(input), output, output],
      env: { PATH: path, ...environment },
      detached: true,
    });
    if (typeof output === "number") closeSync(output);
    this.#children.push(child);
    return child;
  }

  /** Runs a process of the group to its end; throws if it fails. */
  async run(command: readonly string[], start: Start = {}): Promise<void> {
    const code = await this.spawn(command, start).exited;
    if (code !== 0) throw new Error(`bench: ${command.join(" ")}: exit ${code}`);
  }

  /** Numbers of its processes. */
  processes(): number[] {
    const text = readFileSync(join(this.#directory, "cgroup.procs"), "utf8");
    return text.split("\n").filter(Boolean).map(Number);
  }

  /** Processor time that it has used since it was made, in seconds, with that of processes that have ended. */
  processor(): { user: number; system: number } {
    return processorTime(readFileSync(join(this.#directory, "cpu.stat"), "utf8"));
  }

  /** Processor time of its living processes by program, in seconds, with that of their children that have ended. */
  processorByProgram(): Map<string, number> {
    const times = new Map<string, number>();
    for (const process of this.processes()) {
      const name = programOf(process);
      times.set(name, (times.get(name) ?? 0) + processTime(ofProcess(process, "stat")));
    }
    return times;
  }

  /** Memory of its processes now, in bytes: the sum of PSS, where a shared page counts in parts. Of one program, if named. */
  memory(program?: string): number {
    return this.processes()
      .filter((process) => program === undefined || programOf(process) === program)
      .reduce((sum, process) => sum + proportionalSize(ofProcess(process, "smaps_rollup")), 0);
  }

  /** Sends a signal to the processes of one program. */
  signal(program: string, signal: NodeJS.Signals): void {
    for (const id of this.processes()) if (programOf(id) === program) process.kill(id, signal);
  }

  /** Watches the memory; the returned function stops that and gives the most there was, in bytes. */
  watchMemory(milliseconds = 100): () => number {
    let most = this.memory();
    const timer = setInterval(() => {
      most = Math.max(most, this.memory());
    }, milliseconds);
    return () => {
      clearInterval(timer);
      return Math.max(most, this.memory());
    };
  }

  /** Waits until it has nothing to do any more: less than 1 % of a processor for a while. */
  async rest(seconds = 10): Promise<void> {
    const window = 150;
    const total = () => this.processor().user + this.processor().system;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
      const before = total();
      await Bun.sleep(window);
      if (total() - before < (window / 1000) * 0.01) return;
    }
  }

  /** The names of all its tasks, by number. */
  tasks(): Map<number, string> {
    const names = new Map<number, string>();
    for (const process of this.processes()) {
      const name = programOf(process);
      for (const task of tasksOf(process)) names.set(task, name);
    }
    return names;
  }

  /** Ends it: TERM to what we started, the latest first; KILL to what is left after a while. */
  async stop(seconds = 10): Promise<void> {
    for (const child of this.#children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      await Promise.race([child.exited, Bun.sleep(seconds * 1000)]);
    }
    if (!existsSync(this.#directory)) return;
    writeFileSync(join(this.#directory, "cgroup.kill"), "1");
    for (const end = Date.now() + 10_000; this.processes().length > 0; await Bun.sleep(5))
      if (Date.now() > end) throw new Error("bench: processes of a mail system do not end");
    // Dead processes that nobody has waited for yet keep it busy for a moment.
    for (let left = 200; left > 0; left--, await Bun.sleep(10))
      try {
        rmdirSync(this.#directory);
        return;
      } catch (failure) {
        if (!isSystemError(failure, "EBUSY")) throw failure;
      }
  }
}

/** The name of the program that a process runs, without its directory. */
function programOf(process: number): string {
  const [program = ""] = ofProcess(process, "cmdline").split("\0");
  return program.split("/").at(-1) ?? program;
}

/** Number of the process that traces a task, 0 for none. A task that has ended is traced by whom it is asked for. */
export function tracerOf(task: number): number {
  return Number(/^TracerPid:\s+(\d+)$/m.exec(ofProcess(task, "status"))?.[1] ?? 0);
}

/** A file of a process, empty once it is gone. */
function ofProcess(process: number, file: string): string {
  try {
    return readFileSync(`/proc/${process}/${file}`, "latin1");
  } catch (failure) {
    if (isSystemError(failure, "ENOENT") || isSystemError(failure, "ESRCH")) return "";
    throw failure;
  }
}

function tasksOf(process: number): number[] {
  const listed = Bun.spawnSync(["ls", `/proc/${process}/task`]);
  return listed.stdout.toString().split("\n").filter(Boolean).map(Number);
}
