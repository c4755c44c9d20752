/** Why a message could not be preprocessed, as the log tells it. */
import { isSystemError } from "../../core/exit.ts";

/** The message is the words of the log. */
export class Trouble extends Error {}

/** Runs a step; a failed system call in it becomes Trouble with these words. */
export function trying<Result>(words: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    if (isSystemError(failure)) throw new Trouble(words);
    throw failure;
  }
}

/** Runs a step whose failure adds nothing to a failure that was told already. */
export function ignoring(step: () => void): void {
  try {
    step();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}
