/** qmail-tcpto(8): prints the table of hosts that did not answer. */
import { formatIp } from "../core/bytes/ip.ts";
import { Exit, isSystemError } from "../core/exit.ts";
import { listTimeouts, TcptoTrouble } from "../core/net/tcpto.ts";
import { errorText } from "../core/sys/errors.ts";
import { writeAll } from "../core/sys/fd.ts";
import { inHome } from "../core/sys/home.ts";

export function main(): number {
  const now = Math.floor(Date.now() / 1000);
  const lines = timeouts().map(
    ({ address, count, when }) =>
      `${formatIp(address)} timed out ${BigInt.asUintN(64, BigInt(now - when))} seconds ago; # recent timeouts: ${count}\n`,
  );
  writeAll(1, Buffer.from(lines.join("")));
  return 0;
}

function timeouts() {
  try {
    process.chdir(inHome("queue/lock"));
    return listTimeouts();
  } catch (failure) {
    if (failure instanceof TcptoTrouble) throw fatal(`${failure.step} tcpto`, failure.code);
    throw isSystemError(failure) ? fatal("chdir", failure.code) : failure;
  }
}

/** As ever, on descriptor 1. */
function fatal(what: string, code: string): Exit {
  writeAll(1, Buffer.from(`fatal: unable to ${what}: ${errorText(code)}\n`));
  return new Exit(111);
}
