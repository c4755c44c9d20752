/** datemail(1): sendmail, with a Date field in local time. */
import { isSystemError, temporary } from "../core/exit.ts";
import { errorText } from "../core/sys/errors.ts";
import { exec } from "../core/sys/exec.ts";
import { inHome } from "../core/sys/home.ts";

export function main(args: Buffer[]): never {
  try {
    exec(inHome("bin", "predate"), [Buffer.from(inHome("bin", "sendmail")), ...args]);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`datemail: fatal: unable to run predate: ${errorText(failure.errno)}\n`);
  }
}
