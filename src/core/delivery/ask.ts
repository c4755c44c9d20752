/** Asking a program about a message: what bouncesaying(1), condredirect(1) and except(1) have in common. */
import { isSystemError, temporary } from "../exit.ts";
import { mayPass } from "../sys/errors.ts";
import { type End, startLikeShell } from "../sys/spawn.ts";

const temporaryCode = 111;

/**
 * Runs `command` with our descriptors 0, 1 and 2. True: it exited with 0. False: with another code, or it does not
 * exist.
 * @throws Exit 111 if it exited with 111, crashed, or could not be started now
 */
export async function ask(program: string, command: readonly Buffer[]): Promise<boolean> {
  const end = await run(command);
  if ("signal" in end) throw temporary(`${program}: fatal: child crashed\n`);
  if (end.code === temporaryCode) throw temporary(`${program}: fatal: temporary child error\n`);
  return end.code === 0;
}

async function run(command: readonly Buffer[]): Promise<End> {
  try {
    return await startLikeShell({ command, descriptors: [0, 1, 2] }).ended;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return { code: mayPass(failure.code) ? temporaryCode : 100 };
  }
}
