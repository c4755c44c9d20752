import { Exit, isSystemError } from "../exit.ts";

/** The exit codes of qmail-queue(8) that name the step at which a message could not be taken. */
export const queueExit = {
  addressTooLong: 11,
  timeout: 52,
  write: 53,
  read: 54,
  home: 61,
  queue: 62,
  pid: 63,
  mess: 64,
  intd: 65,
  todo: 66,
  bug: 81,
  envelope: 91,
} as const;

/** Does one step; a failed system call ends it with the step's exit code. */
export function attempt<T>(code: number, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    throw isSystemError(failure) ? new Exit(code) : failure;
  }
}
