/**
 * The multi-call entry: finds the program by the name it was called with, loads it, runs it, exits.
 * Nothing else in the source calls process.exit.
 */
import { Exit, temporary } from "./core/exit.ts";
import { argumentBytes } from "./core/sys/arguments.ts";
import { becomeAsTold } from "./core/sys/become.ts";
import { Become } from "./core/sys/exec.ts";
import { writeAll } from "./core/sys/fd.ts";
import { programs } from "./programs.ts";

const executable = "qmail-ts";

/** Which program to run, the name it was called with, and its arguments. */
interface Invocation {
  program: string;
  called: string;
  args: Buffer[];
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const isProgram = (name: string): boolean => programs.some((program) => program.name === name);

/**
 * A program's own executable runs it under any argument 0 (sendmail called `mailq`). Elsewhere argument 0 decides;
 * run from source or as `qmail-ts`, the first argument is the name.
 */
function invocation(): Invocation {
  const args = becomeAsTold()
    ? process.argv.slice(2).map((word) => Buffer.from(word, "latin1"))
    : argumentBytes();
  const called = lastPart(process.argv0);
  const own = lastPart(process.execPath);
  if (isProgram(own)) return { program: own, called, args };
  if (called === executable || called === "bun" || called === "bun.exe") {
    const name = args.shift()?.toString() ?? "";
    return { program: name, called: name, args };
  }
  return { program: called, called, args };
}

/** Runs one program to its exit code; an Exit carries the code and the text for descriptor 2. */
async function run({ program: name, called, args }: Invocation): Promise<number> {
  const program = programs.find((candidate) => candidate.name === name);
  if (program === undefined) {
    const known = programs.map((candidate) => candidate.name).join(" ");
    throw new Exit(100, `${executable}: fatal: no program is called "${name}"; there are: ${known}\n`);
  }
  return (await program.load()).main(args, called);
}

/** Nothing is run where this process cannot be who it should be. */
async function start(): Promise<number> {
  let first: Invocation;
  try {
    first = invocation();
  } catch (failure) {
    return codeOf(executable, failure);
  }
  return await runAll(first);
}

/** Runs a program, and whatever it becomes. */
async function runAll(first: Invocation): Promise<number> {
  for (let next = first; ; ) {
    try {
      return await run(next);
    } catch (failure) {
      if (!(failure instanceof Become)) return codeOf(next.program, failure);
      next = { program: failure.program, called: failure.program, args: failure.args };
    }
  }
}

/** The exit code of a failure. What is not an Exit is a fault nobody foresaw: temporary, so that mail waits. */
function codeOf(name: string, failure: unknown): number {
  const exit =
    failure instanceof Exit
      ? failure
      : temporary(
          `${name}: fatal: ${failure instanceof Error ? (failure.stack ?? failure.message) : failure}\n`,
        );
  try {
    writeAll(2, Buffer.from(exit.text, "latin1"));
  } catch {
    // Descriptor 2 may be closed or full: the exit code has to say it alone.
  }
  return exit.code;
}

process.exit(await start());
