/** The ways in which qmail-inject gives up. */
import { isSystemError, permanent, temporary } from "../../core/exit.ts";
import { Unparsable } from "../../core/mail/injection.ts";

export const program = "qmail-inject";
export const fatal = `${program}: fatal:`;

/** Does what a wrong line ends. */
export function parsing<Result>(
  work: () => Result,
  complaint = (line: string) => `unable to parse this line:\n${line}`,
): Result {
  try {
    return work();
  } catch (failure) {
    if (!(failure instanceof Unparsable)) throw failure;
    throw permanent(`${fatal} ${complaint(failure.line)}`);
  }
}

/** Does what a file that cannot be read ends. */
export function reading<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${fatal} read error\n`);
  }
}
