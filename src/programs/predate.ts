/** predate(1): runs a program and gives it, in front of its input, a Date field in local time. */
import { closeSync } from "node:fs";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { localDate822 } from "../core/mail/date.ts";
import { localCalendar } from "../core/sys/clock.ts";
import { errorText } from "../core/sys/errors.ts";
import { copyAll, writeAll } from "../core/sys/fd.ts";
import { pipe } from "../core/sys/libc.ts";
import { type Child, startLikeShell } from "../core/sys/spawn.ts";

const program = "predate";
const fatal = `${program}: fatal:`;

export async function main(args: Buffer[]): Promise<number> {
  const [name] = args;
  if (name === undefined) throw permanent(`${program}: usage: ${program} child\n`);
  const [input, output] = pipe();
  const child = startChild(name, args, input);
  closeSync(input);
  feed(output, child);
  closeSync(output);
  const end = await child.ended;
  if ("signal" in end) throw temporary(`${fatal} child crashed\n`);
  return end.code;
}

function startChild(name: Buffer, args: Buffer[], input: number): Child {
  try {
    return startLikeShell({ command: args, descriptors: [input, 1, 2] });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    const reason = errorText(failure.errno);
    throw temporary(`${fatal} unable to run ${name.toString("latin1")}: ${reason}\n`);
  }
}

/** Writes the date and copies descriptor 0. A child that wants no more decides by its exit code. */
function feed(output: number, child: Child): void {
  const now = Math.floor(Date.now() / 1000);
  try {
    writeAll(output, Buffer.from(`Date: ${localDate822(localCalendar(now), now)}`));
    copyAll(0, output);
  } catch (failure) {
    if (isSystemError(failure, "EPIPE")) return;
    if (!isSystemError(failure)) throw failure;
    // The child must not take what it has for the whole.
    child.kill("SIGKILL");
    throw temporary(`${fatal} unable to copy input: ${errorText(failure.errno)}\n`);
  }
}
