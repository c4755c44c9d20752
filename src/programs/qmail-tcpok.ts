/** qmail-tcpok(8): clears the table of hosts that did not answer. */
import { type Exit, isSystemError, temporary } from "../core/exit.ts";
import { clearTimeouts, TcptoTrouble, tcptoPath } from "../core/net/tcpto.ts";
import { errorText } from "../core/sys/errors.ts";
import { inHome, qmailHome } from "../core/sys/home.ts";

export function main(): number {
  for (const directory of [qmailHome(), inHome("queue/lock")]) enter(directory);
  try {
    clearTimeouts();
  } catch (failure) {
    if (!(failure instanceof TcptoTrouble)) throw failure;
    throw fatal(`${failure.step} ${tcptoPath()}`, failure.code);
  }
  return 0;
}

function enter(directory: string): void {
  try {
    process.chdir(directory);
  } catch (failure) {
    throw isSystemError(failure) ? fatal(`chdir to ${directory}`, failure.code) : failure;
  }
}

const fatal = (what: string, code: string): Exit =>
  temporary(`qmail-tcpok: fatal: unable to ${what}: ${errorText(code)}\n`);
