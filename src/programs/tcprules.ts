/** tcprules(1): compiles rules about clients from descriptor 0 into a cdb. */
import { CdbReplacement } from "../core/control/cdbfile.ts";
import { BadRule, compileRule } from "../core/control/tcprules.ts";
import { type Exit, isSystemError, permanent, temporary } from "../core/exit.ts";
import { errorText } from "../core/sys/errors.ts";
import { Reader } from "../core/sys/fd.ts";

export function main([database, fresh]: Buffer[]): number {
  if (database === undefined || fresh === undefined)
    throw permanent("tcprules: usage: tcprules rules.cdb rules.tmp\n");
  const [target, temporaryName] = [database.toString(), fresh.toString()];
  const cdb = attempt(`unable to create ${temporaryName}: `, () => new CdbReplacement(temporaryName));
  const rules = new Reader(0);
  for (;;) {
    const line = attempt("unable to read input: ", () => rules.line());
    if (line === undefined) break;
    for (const [key, data] of compiled(line))
      attempt(`unable to write ${temporaryName}: `, () => cdb.add(key, data));
  }
  attempt(`unable to write ${temporaryName}: `, () => cdb.finish());
  attempt(`unable to move ${temporaryName} to ${target}: `, () => cdb.moveTo(target));
  return 0;
}

function compiled(line: Buffer): [Buffer, Buffer][] {
  try {
    return compileRule(line);
  } catch (failure) {
    if (!(failure instanceof BadRule)) throw failure;
    const text = line.toString("latin1").replace(/[ \t\n]+$/, "");
    throw permanent(`tcprules: fatal: unable to parse this line: ${text}\n`);
  }
}

/** Does one step; where a system call fails, the program ends with these words and the reason. */
function attempt<Result>(words: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    if (isSystemError(failure)) throw fatal(words + errorText(failure.errno));
    if (failure instanceof RangeError) throw fatal(words + errorText("EFBIG"));
    throw failure;
  }
}

const fatal = (text: string): Exit => temporary(`tcprules: fatal: ${text}\n`);
