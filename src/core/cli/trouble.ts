/** How the administration command says what went wrong: one sentence shape, two kinds of failure. */
import { type Exit, isSystemError, permanent, temporary } from "../exit.ts";
import { errorText } from "../sys/errors.ts";

/** UTF-8 text as the characters that Exit writes, one per byte. */
const asBytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

/** A mistake of the caller: exit code 100. */
export const refuse = (text: string): Exit => permanent(asBytes(`qmail: fatal: ${text}\n`));

/** Trouble with the machine: exit code 111. */
export const fail = (text: string): Exit => temporary(asBytes(`qmail: fatal: ${text}\n`));

/** Does one step; a failed system call becomes `unable to WORDS: reason`. */
export function attempt<Result>(words: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    if (isSystemError(failure)) throw fail(`unable to ${words}: ${errorText(failure.code)}`);
    throw failure;
  }
}
