/** qmail-newu(8): makes users/cdb from users/assign. */
import { closeSync, openSync } from "node:fs";
import { CdbReplacement } from "../core/control/cdbreplacement.ts";
import { type Exit, isSystemError, temporary } from "../core/exit.ts";
import { Reader } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";
import { parseAssignLine, wildcardsKey } from "../core/users/assign.ts";

const fatal = (text: string): Exit => temporary(`qmail-newu: fatal: ${text}\n`);

const source = "users/assign";
const fresh = "users/cdb.tmp";
const database = "users/cdb";

export function main(): number {
  process.umask(0o033);
  attempt("unable to chdir", () => process.chdir(qmailHome()));
  const assign = attempt(`unable to open ${source}`, () => openSync(source, "r"));
  const cdb = attempt(`unable to open ${fresh}`, () => new CdbReplacement(fresh));
  try {
    compile(new Reader(assign), cdb);
    attempt(`unable to write ${fresh}`, () => cdb.finish());
    attempt(`unable to move ${fresh} to ${database}`, () => cdb.moveTo(database));
  } catch (failure) {
    attempt(`unable to remove ${fresh}`, () => cdb.discard());
    throw failure;
  }
  closeSync(assign);
  return 0;
}

/** Every line up to the one that begins with a dot; then the list of the wildcards' last bytes. */
function compile(assign: Reader, cdb: CdbReplacement): void {
  const wildcards = new Set<number>();
  const add = (key: Buffer, data: Buffer) => attempt(`unable to write ${fresh}`, () => cdb.add(key, data));
  for (;;) {
    const line = attempt(`unable to read ${source}`, () => assign.line());
    const parsed = parseAssignLine(line ?? Buffer.alloc(0));
    if (parsed.kind === "bad") throw fatal(`bad format in ${source}`);
    if (parsed.kind === "end") break;
    if (parsed.wildcard !== undefined) wildcards.add(parsed.wildcard);
    add(parsed.key, parsed.data);
  }
  add(wildcardsKey, Buffer.from([...wildcards]));
}

/** Does one step; where a system call fails, the program ends with these words. */
function attempt<Result>(words: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    if (isSystemError(failure) || failure instanceof RangeError) throw fatal(words);
    throw failure;
  }
}
