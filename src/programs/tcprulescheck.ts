/** tcprulescheck(1): says what compiled rules do with the client that the environment describes. */
import { bytes } from "../core/bytes/text.ts";
import { CdbDamaged, CdbFile } from "../core/control/cdbfile.ts";
import { ruleFor } from "../core/control/tcprules.ts";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { environment } from "../core/sys/arguments.ts";
import { errorText } from "../core/sys/errors.ts";
import { writeAll } from "../core/sys/fd.ts";

export function main([database]: Buffer[]): number {
  if (database === undefined) throw permanent("tcprulescheck: usage: tcprulescheck rules.cdb\n");
  const text = (name: string) => environment(name)?.toString("latin1");
  const client = {
    ip: text("TCPREMOTEIP") ?? "",
    host: text("TCPREMOTEHOST"),
    info: text("TCPREMOTEINFO"),
  };
  const rule = reading(database.toString(), (file) => ruleFor(client, (key) => file.find(key)));
  const lines = [
    rule === undefined ? "default:" : `rule ${rule.key}:`,
    ...(rule?.variables ?? []).map(
      ([name, value]) => `set environment variable ${name}=${value.toString("latin1")}`,
    ),
    rule?.denied ? "deny connection" : "allow connection",
  ];
  writeAll(1, bytes(`${lines.join("\n")}\n`));
  return 0;
}

function reading<Result>(path: string, work: (file: CdbFile) => Result): Result {
  const fail = (reason: string) => temporary(`tcprulescheck: fatal: unable to read ${path}: ${reason}\n`);
  try {
    const file = new CdbFile(path);
    try {
      return work(file);
    } finally {
      file.close();
    }
  } catch (failure) {
    if (isSystemError(failure)) throw fail(errorText(failure.errno));
    if (failure instanceof CdbDamaged) throw fail(errorText("EPROTO"));
    throw failure;
  }
}
