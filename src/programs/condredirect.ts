/** condredirect(1): sends the message on to another address if a program exits with 0, and ends its delivery there. */
import { ask } from "../core/delivery/ask.ts";
import { required, sendOn } from "../core/delivery/forwarding.ts";
import { Exit, isSystemError, permanent, temporary } from "../core/exit.ts";
import { errorText } from "../core/sys/errors.ts";
import { rewind } from "../core/sys/libc.ts";

const program = "condredirect";
const usage = `${program}: usage: ${program} newaddress program [ arg ... ]\n`;
const stopHere = 99;

export async function main([address, ...command]: Buffer[]): Promise<number> {
  if (address === undefined || command.length === 0) throw permanent(usage);
  if (!(await ask(program, command))) return 0;
  rewindMessage();
  const sender = required(program, "SENDER");
  const pid = await sendOn(program, required(program, "DTLINE"), sender, [address]);
  throw new Exit(stopHere, `${program}: qp ${pid}\n`);
}

/** The asked program may have read the message. */
function rewindMessage(): void {
  try {
    rewind(0);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${program}: fatal: unable to rewind: ${errorText(failure.code)}\n`);
  }
}
