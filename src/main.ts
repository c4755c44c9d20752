/**
 * The multi-call entry: finds the program by the name it was called with, loads it, runs it, exits.
 * Nothing else in the source calls process.exit.
 */
import { Exit, temporary } from "./core/exit.ts";
import { argumentBytes } from "./core/sys/arguments.ts";
import { writeAll } from "./core/sys/fd.ts";
import { programs } from "./programs.ts";

const executable = "qmail-ts";

/** The name this process was called with, and its arguments. Run from source or as `qmail-ts`, the first argument is the name. */
function invocation(): { name: string; args: Buffer[] } {
  const args = argumentBytes();
  const called = process.argv0.slice(process.argv0.lastIndexOf("/") + 1);
  if (called === executable || called === "bun" || called === "bun.exe") {
    const name = args.shift()?.toString() ?? "";
    return { name, args };
  }
  return { name: called, args };
}

/** Runs one program to its exit code; an Exit carries the code and the text for descriptor 2. */
async function run(name: string, args: Buffer[]): Promise<number> {
  const program = programs.find((candidate) => candidate.name === name);
  if (program === undefined) {
    const known = programs.map((candidate) => candidate.name).join(" ");
    throw new Exit(100, `${executable}: fatal: no program is called "${name}"; there are: ${known}\n`);
  }
  return (await program.load()).main(args);
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

const { name, args } = invocation();
let code: number;
try {
  code = await run(name, args);
} catch (failure) {
  code = codeOf(name, failure);
}
process.exit(code);
