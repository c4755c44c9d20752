/** What every runtime has to do alike: rows of checks, run by the compiled `run.js`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Name and check; a check that throws has failed. It gets a directory of its own. */
export type Row = readonly [name: string, check: (scratch: string) => void | Promise<void>];

/** Runs rows, each in its own directory, and prints a line of JSON for each. */
export async function run(rows: readonly Row[]): Promise<void> {
  for (const [name, check] of rows) {
    const scratch = mkdtempSync(join(tmpdir(), "qmail-api-"));
    let error: string | undefined;
    try {
      await check(scratch);
    } catch (failure) {
      error = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
    }
    rmSync(scratch, { recursive: true, force: true });
    console.log(JSON.stringify({ name, error }));
  }
}

/** A home with a queue program that keeps the message and the envelope in files, then does what `end` says. */
export function makeHome(scratch: string, end = "exit 0"): string {
  mkdirSync(join(scratch, "bin"));
  mkdirSync(join(scratch, "control"));
  writeFileSync(join(scratch, "control/me"), "h.example\n");
  writeProgram(scratch, "bin/qmail-queue", end);
  return scratch;
}

export function writeProgram(home: string, name: string, end: string): void {
  const script = `#!/bin/sh\ncat >message\ncat <&1 >envelope\necho "$QMAILHOME" >home\n${end}\n`;
  writeFileSync(join(home, name), script, { mode: 0o755 });
}

/** A file of the home, one character a byte. */
export const kept = (home: string, name: string): string => readFileSync(join(home, name), "latin1");

/** Whatever a promise was rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (failure) {
    return failure;
  }
  throw new Error("nothing was thrown");
}
