/** tcprules(1): compiles rules about clients from descriptor 0 into a cdb. */
import { CdbReplacement, stepsOf } from "../core/control/cdbreplacement.ts";
import { BadRule, compileRule } from "../core/control/tcprules.ts";
import { permanent } from "../core/exit.ts";
import { Reader } from "../core/sys/fd.ts";

const attempt = stepsOf("tcprules");

export function main([database, fresh]: Buffer[]): number {
  if (database === undefined || fresh === undefined)
    throw permanent("tcprules: usage: tcprules rules.cdb rules.tmp\n");
  const [target, temporaryName] = [database.toString(), fresh.toString()];
  const cdb = attempt(`unable to create ${temporaryName}: `, () => new CdbReplacement(temporaryName));
  try {
    compile(new Reader(0), cdb, temporaryName);
    attempt(`unable to write ${temporaryName}: `, () => cdb.finish());
    attempt(`unable to move ${temporaryName} to ${target}: `, () => cdb.moveTo(target));
  } catch (failure) {
    attempt(`unable to remove ${temporaryName}: `, () => cdb.discard());
    throw failure;
  }
  return 0;
}

function compile(rules: Reader, cdb: CdbReplacement, temporaryName: string): void {
  for (;;) {
    const line = attempt("unable to read input: ", () => rules.line());
    if (line === undefined) return;
    for (const [key, data] of compiled(line))
      attempt(`unable to write ${temporaryName}: `, () => cdb.add(key, data));
  }
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
