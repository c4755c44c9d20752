/** maildirmake(1): makes a directory with tmp, new and cur. */
import { mkdirSync } from "node:fs";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { errorText } from "../core/sys/errors.ts";
import { asPath } from "../core/sys/path.ts";

const program = "maildirmake";
const usage = `${program}: usage: ${program} name\n`;

export function main([name]: Buffer[]): number {
  if (name === undefined) throw permanent(usage);
  process.umask(0o077);
  for (const part of ["", "/tmp", "/new", "/cur"]) makeDirectory(Buffer.concat([name, Buffer.from(part)]));
  return 0;
}

function makeDirectory(path: Buffer): void {
  try {
    mkdirSync(asPath(path), 0o700);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    const why = errorText(failure.code);
    throw temporary(`${program}: fatal: unable to mkdir ${path.toString("latin1")}: ${why}\n`);
  }
}
