/** Running a program, and whatever it becomes, to an exit code. */
import { Exit, temporary } from "./core/exit.ts";
import { argumentBytes } from "./core/sys/arguments.ts";
import { becomeAsTold } from "./core/sys/become.ts";
import { Become } from "./core/sys/exec.ts";
import { writeAll } from "./core/sys/fd.ts";
import type { Main } from "./programs.ts";

/** Name of the executable under which it is built. */
export const executable = "qmail-ts";

/** Which program to run, the name it was called with, and its arguments. */
export interface Invocation {
  program: string;
  called: string;
  args: Buffer[];
}

export const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** The arguments of this process, whom it was told to become. */
export function ownArguments(): Buffer[] {
  return becomeAsTold() ? process.argv.slice(2).map((word) => Buffer.from(word, "latin1")) : argumentBytes();
}

/** Runs a program, and whatever it becomes; an Exit carries the code and the text for descriptor 2. */
export async function run(
  first: () => Invocation,
  find: (name: string) => Main | Promise<Main>,
): Promise<number> {
  let next: Invocation | undefined;
  for (;;) {
    try {
      // Nothing is run where this process cannot be who it should be.
      next ??= first();
      return await (await find(next.program))(next.args, next.called);
    } catch (failure) {
      if (!(failure instanceof Become)) return codeOf(next?.program ?? executable, failure);
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
