/**
 * How a program ends. Two kinds of failure everywhere: permanent is 100, temporary is 111 (qmail-command(8)).
 */

/** Thrown to end the program. `text` goes to descriptor 2 as it stands; its characters are bytes (latin1). */
export class Exit extends Error {
  readonly code: number;
  readonly text: string;
  constructor(code: number, text = "") {
    super(`exit ${code}: ${text}`);
    this.code = code;
    this.text = text;
  }
}

/** The caller made a mistake that no repetition mends. */
export const permanent = (text: string): Exit => new Exit(100, text);

/** It may work later. */
export const temporary = (text: string): Exit => new Exit(111, text);

/** A system call failed. `code` is the errno name; Node's and Bun's errors have this shape. */
export interface SystemError extends Error {
  code: string;
  errno: number;
}

/** Whether a caught value is a failed system call, and, where `code` is given, failed with that errno. */
export function isSystemError(failure: unknown, code?: string): failure is SystemError {
  return (
    failure instanceof Error &&
    "code" in failure &&
    typeof failure.code === "string" &&
    (code === undefined || failure.code === code)
  );
}
