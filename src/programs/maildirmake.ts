/** maildirmake(1): makes a directory with tmp, new and cur. */
import { mkdirSync } from "node:fs";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { errorText } from "../core/sys/errors.ts";

const program = "maildirmake";
const usage = `${program}: usage: ${program} name\n`;

export function main([directory]: Buffer[]): number {
  if (directory === undefined) throw permanent(usage);
  const name = directory.toString();
  for (const path of [name, `${name}/tmp`, `${name}/new`, `${name}/cur`]) makeDirectory(path, name);
  return 0;
}

function makeDirectory(path: string, name: string): void {
  try {
    mkdirSync(path, 0o700);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${program}: fatal: unable to mkdir ${name}: ${errorText(failure.errno)}\n`);
  }
}
