/** qmail-pw2u(8): makes users/assign from a passwd file on descriptor 0. */
import { readFileSync, statSync } from "node:fs";
import { Options } from "../core/bytes/options.ts";
import { bytes, lowerCase, splitAt } from "../core/bytes/text.ts";
import { significantLines } from "../core/control/control.ts";
import { type Exit, isSystemError, temporary } from "../core/exit.ts";
import { readAll, Writer } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";
import { asPath } from "../core/sys/path.ts";
import {
  accountOf,
  assignments,
  catchAll,
  hasUpperCase,
  type MailAccount,
  type Rules,
  subAssignments,
  subuserOf,
} from "../core/users/pw2u.ts";

const program = "qmail-pw2u";
const fatal = (text: string): Exit => temporary(`${program}: fatal: ${text}\n`);
const dieChdir = "unable to chdir";
const dieRead = "unable to read input";
const dieWrite = "unable to write output";
const dieControls = "unable to read controls";

const alias = bytes("alias");
const lineFeed = 10;
const colon = 58;

/** Names as keys: case does not matter. */
const keyOf = (name: Buffer): string => lowerCase(name).toString("latin1");

export function main(args: Buffer[]): number {
  const rules = rulesOf(args);
  attempt(dieChdir, () => process.chdir(qmailHome()));
  const lists = readLists();
  const accounts = new Map<string, MailAccount>();
  const out = new Writer(1);
  const write = (piece: Buffer) => attempt(dieWrite, () => out.write(piece));
  const flush = () => attempt(dieWrite, () => out.flush());

  let aliasSeen = false;
  const take = (line: Buffer): void => {
    const account = accountOf(line);
    if (account === undefined || !counts(account, rules, lists)) return;
    accounts.set(keyOf(account.user), account);
    if (account.user.equals(alias)) {
      write(catchAll(account, rules));
      aliasSeen = true;
    }
    for (const name of mailNames(account, lists)) write(assignments(name, account, rules));
  };
  const input = attempt(dieRead, () => readAll(0));
  const ended = input.lastIndexOf(lineFeed) + 1;
  for (const line of splitAt(input.subarray(0, ended), lineFeed)) take(line);
  // Output goes out before the end of the input is looked for, and so before a last line without line feed counts.
  flush();
  if (ended < input.length) take(input.subarray(ended));
  if (!aliasSeen) throw fatal("unable to find alias user");
  for (const line of splitAt(readOptional("users/subusers", dieRead), lineFeed)) {
    const subuser = subuserOf(line);
    if (subuser === undefined) continue;
    const account = accounts.get(keyOf(subuser.user));
    if (account === undefined)
      throw fatal(`unable to find ${subuser.user.toString("latin1")} user for subuser`);
    if (subuser.complete !== undefined) write(subAssignments(subuser.complete, account, rules));
  }
  write(readOptional("users/append", dieRead));
  write(bytes(".\n"));
  flush();
  return 0;
}

/** The options, each the whole effect of its letter. */
function rulesOf(args: Buffer[]): Rules {
  const rules: Rules = { home: "own", upperCase: false, break: bytes("-"), dash: "-" };
  const effects: Readonly<Record<string, (argument: Buffer) => Partial<Rules>>> = {
    "/": () => ({ dash: "-/" }),
    o: () => ({ home: "own" }),
    h: () => ({ home: "must" }),
    H: () => ({ home: "any" }),
    u: () => ({ upperCase: true }),
    U: () => ({ upperCase: false }),
    c: (argument) => ({ break: argument.subarray(0, 1) }),
    C: () => ({ break: Buffer.alloc(0) }),
  };
  for (const { letter, argument } of new Options(args, { program, letters: "/ohHuUc:C" }))
    Object.assign(rules, effects[letter]?.(argument));
  return rules;
}

/** users/include, users/exclude and users/mailnames, where they exist. */
interface Lists {
  include: ReadonlySet<string> | undefined;
  exclude: ReadonlySet<string> | undefined;
  mailNames: ReadonlyMap<string, Buffer>;
}

function readLists(): Lists {
  const include = listed("users/include");
  const exclude = listed("users/exclude");
  const mailNames = new Map<string, Buffer>();
  for (const line of listed("users/mailnames") ?? []) {
    const end = line.indexOf(colon);
    if (end >= 0) mailNames.set(keyOf(line.subarray(0, end)), line.subarray(end + 1));
  }
  return {
    include: include && new Set(include.map(keyOf)),
    exclude: exclude && new Set(exclude.map(keyOf)),
    mailNames,
  };
}

/** A list, one entry a line. A NUL inside a line ends an entry, too; at its front it hides the line. */
function listed(path: string): Buffer[] | undefined {
  const file = readIfThere(path, dieControls);
  return (
    file &&
    significantLines(file)
      .filter((line) => line[0] !== 0)
      .flatMap((line) => splitAt(line, 0))
  );
}

/** Whether an account gets mail at all. */
function counts({ user, home, uid }: MailAccount, rules: Rules, { include, exclude }: Lists): boolean {
  if (!rules.upperCase && hasUpperCase(user)) return false;
  if (include?.has(keyOf(user)) === false || exclude?.has(keyOf(user))) return false;
  if (rules.home === "any") return true;
  try {
    return statSync(asPath(home)).uid === uid;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    if (failure.code !== "ENOENT" || rules.home === "must")
      throw fatal(`unable to stat ${home.toString("latin1")}`);
    return false;
  }
}

/** The names an account gets mail for: its own, unless users/mailnames has others. */
function mailNames({ user }: MailAccount, lists: Lists): Buffer[] {
  return splitAt(lists.mailNames.get(keyOf(user)) ?? user, colon).filter((name) => name.length > 0);
}

const readOptional = (path: string, words: string): Buffer => readIfThere(path, words) ?? Buffer.alloc(0);

/** A file's bytes, or undefined if it is not there. */
function readIfThere(path: string, words: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    // A directory can be opened, but not read.
    throw isSystemError(failure, "EISDIR")
      ? fatal(words)
      : isSystemError(failure)
        ? fatal(dieControls)
        : failure;
  }
}

/** Does one step; where a system call fails, the program ends with these words. */
function attempt<Result>(words: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    throw isSystemError(failure) ? fatal(words) : failure;
  }
}
