/** Mail readers that know mbox files only: what elq(1), pinq(1) and qail(1) have in common. */
import { isSystemError, temporary } from "../exit.ts";
import { errorText } from "../sys/errors.ts";
import { execLikeShell } from "../sys/exec.ts";
import { inHome } from "../sys/home.ts";
import { type End, start } from "../sys/spawn.ts";

/**
 * Moves the mail from $MAILDIR to $MAIL with maildir2mbox(1), then becomes the mail reader, which is looked for in
 * $PATH. Returns only if maildir2mbox failed: its exit code.
 * @throws Exit 111 if one of the two cannot be run
 */
export async function readWith(program: string, reader: string, args: readonly Buffer[]): Promise<number> {
  const end = await moveMail(program);
  if ("signal" in end) throw temporary(`${program}: fatal: maildir2mbox crashed\n`);
  if (end.code !== 0) return end.code;
  try {
    execLikeShell(reader, args);
  } catch (failure) {
    throw unableToRun(program, reader, failure);
  }
}

async function moveMail(program: string): Promise<End> {
  try {
    return await start({ command: [inHome("bin", "maildir2mbox")], descriptors: [0, 1, 2] }).ended;
  } catch (failure) {
    throw unableToRun(program, "maildir2mbox", failure);
  }
}

function unableToRun(program: string, other: string, failure: unknown): unknown {
  if (!isSystemError(failure)) return failure;
  return temporary(`${program}: fatal: unable to run ${other}: ${errorText(failure.code)}\n`);
}
