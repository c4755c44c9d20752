/** A queue program that a server cannot stand in for. */
import { chmodSync, copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bin } from "./built.ts";

/**
 * Puts qmail-queue at a path as another file, set-user-id as every qmail's is: whoever has mail for the queue has to
 * start it.
 */
export function separateQueueProgram(path: string): void {
  rmSync(path, { force: true });
  copyFileSync(join(bin, "qmail-queue"), path);
  chmodSync(path, 0o4755);
}
