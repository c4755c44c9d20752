/** What inject.ts runs under faults: a program, how it is tried, and what its manual page promises. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import type { Bench, Run } from "./bench.ts";

/** A program and how it is tried. */
export interface Subject {
  name: string;
  /** Whether its threads and children meet the faults, too. */
  follow: boolean;
  /** Ends that its manual page promises where the trouble may pass. */
  ends: readonly (number | string)[];
  /** Runs it behind these words. `killed`: the fault is SIGKILL. */
  run: (bench: Bench, through: readonly string[], killed: boolean) => Promise<Run>;
  /** Settling is for many runs together: the queue is not worked off by the run itself. */
  settlesLater?: boolean;
}

/** Longest life of a run, in milliseconds. */
const patience = 20_000;

/** How a program that ran once ended, and what it wrote. */
export interface Ended {
  end: number | string;
  output: string;
}

/** strace lost a thread that ended just then, and ended itself: nobody knows how the program did. */
export class ObserverFailed extends Error {}

/** Runs a command to its end; descriptor 1 is a file to read where `envelope` is one. */
export async function finish(
  bench: Bench,
  command: string[],
  input: string,
  envelope?: string,
): Promise<Ended> {
  const file = (name: string, content: string): number => {
    writeFileSync(bench.beside(name), content, "latin1");
    return openSync(bench.beside(name), "r");
  };
  const stdin = file("input", input);
  const stdout = envelope === undefined ? openSync(bench.beside("output"), "w") : file("envelope", envelope);
  const stderr = openSync(bench.beside("errors"), "w");
  const child = Bun.spawn(command, {
    // The types know descriptor 1 as an output only.
    stdio: [stdin, stdout as unknown as "ignore", stderr],
    env: bench.environment,
    timeout: patience,
    killSignal: "SIGTERM",
  });
  for (const fd of [stdin, stdout, stderr]) closeSync(fd);
  await child.exited;
  const [complaint] = /^strace: ptrace.*/m.exec(readFileSync(bench.beside("errors"), "latin1")) ?? [];
  if (complaint !== undefined) throw new ObserverFailed(complaint);
  const end = child.signalCode === "SIGTERM" ? "hung" : (child.signalCode ?? child.exitCode ?? -1);
  return { end, output: envelope === undefined ? readFileSync(bench.beside("output"), "latin1") : "" };
}
