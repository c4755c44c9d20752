/** Every program, each loaded when it is called. */
import { Exit } from "./core/exit.ts";
import { compileAsUsual } from "./core/sys/compiler.ts";
import { type Main, programs } from "./programs.ts";
import { executable, type Invocation, lastPart, ownArguments, run } from "./run.ts";

const isProgram = (name: string): boolean => programs.some((program) => program.name === name);

/**
 * A program's own executable runs it under any argument 0 (sendmail called `mailq`). Elsewhere argument 0 decides;
 * run from source or as `qmail-ts`, the first argument is the name.
 */
function invocation(): Invocation {
  const args = ownArguments();
  const called = lastPart(process.argv0);
  const own = lastPart(process.execPath);
  if (isProgram(own)) return { program: own, called, args };
  if (called === executable || called === "bun" || called === "bun.exe") {
    const name = args.shift()?.toString() ?? "";
    return { program: name, called: name, args };
  }
  return { program: called, called, args };
}

async function find(name: string): Promise<Main> {
  const program = programs.find((candidate) => candidate.name === name);
  if (program !== undefined) return (await program.load()).main;
  const known = programs.map((candidate) => candidate.name).join(" ");
  throw new Exit(100, `${executable}: fatal: no program is called "${name}"; there are: ${known}\n`);
}

/** Runs the program that this process was called as, or that a program of the bundle became. */
export function start(first: () => Invocation = invocation): Promise<number> {
  compileAsUsual();
  return run(first, find);
}
