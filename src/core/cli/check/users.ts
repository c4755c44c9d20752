/** qmail's users on this machine, and the mail users of users/assign beside users/cdb. */
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { CdbMaker } from "../../bytes/cdb.ts";
import { isSystemError } from "../../exit.ts";
import { Reader } from "../../sys/fd.ts";
import { accountByName, groupByName } from "../../sys/passwd.ts";
import { parseAssignLine, wildcardsKey } from "../../users/assign.ts";
import { type Assignment, parseRecord } from "../../users/lookup.ts";
import { poppasswdFile } from "../../users/poppasswd.ts";
import { accounts, groups } from "../setup/accounts.ts";
import { lookAt } from "../setup/step.ts";
import { shellWord } from "../shell.ts";
import { attempt } from "../trouble.ts";
import { type Findings, fault, note, type Subject } from "./finding.ts";

/** The accounts that a system-wide installation runs as. */
export function* accountFindings({ home, system }: Subject): Findings {
  if (!system) return;
  const maildir = join(home, "alias/Maildir");
  const alias = accountByName("alias")?.uid;
  if (alias !== undefined && (lookAt(maildir)?.uid ?? alias) !== alias)
    yield fault(
      "users",
      maildir,
      "does not belong to alias, so that mail for postmaster waits",
      `chown -R alias ${maildir}`,
    );
  for (const name of groups)
    if (groupByName(name) === undefined) yield fault("users", `group ${name}`, "is missing", "qmail setup");
  const numbers = new Map<number, string>();
  for (const [name, group] of accounts) {
    const account = accountByName(name);
    const gid = groupByName(group)?.gid;
    if (account === undefined) {
      yield fault("users", `user ${name}`, "is missing", "qmail setup");
      continue;
    }
    if (account.uid === 0)
      yield fault("users", `user ${name}`, "is root under another name", `usermod -u NUMBER ${name}`);
    if (gid !== undefined && account.gid !== gid)
      yield fault(
        "users",
        `user ${name}`,
        `has group ${account.gid}, and should have ${group}`,
        `usermod -g ${group} ${name}`,
      );
    const twin = numbers.get(account.uid);
    if (twin !== undefined)
      yield fault(
        "users",
        `user ${name}`,
        `has the number of ${twin}, so that neither is safe from the other`,
        `usermod -u NUMBER ${name}`,
      );
    numbers.set(account.uid, name);
  }
}

/** The passwords of mail users. */
export function* passwordFindings({ home }: Subject): Findings {
  const path = join(home, poppasswdFile);
  if (((lookAt(path)?.mode ?? 0) & 0o077) !== 0)
    yield fault(
      "users",
      path,
      "holds hashes of passwords, and is not for its owner alone",
      `chmod 600 ${shellWord(path)}`,
    );
}

/** users/assign, line by line, and whether users/cdb is what qmail-newu makes of it. */
export function* assignFindings(subject: Subject): Findings {
  const source = join(subject.home, "users/assign");
  const database = join(subject.home, "users/cdb");
  const newu = `QMAILHOME=${subject.home} ${subject.home}/bin/qmail-newu`;
  if (lookAt(source) === undefined) {
    if (lookAt(database) !== undefined)
      yield fault("users", database, "counts, though there is no users/assign any more", `rm ${database}`);
    return;
  }
  const table = yield* readAssign(subject, source);
  if (table === undefined) return;
  const made =
    lookAt(database) === undefined ? undefined : attempt(`read ${database}`, () => readFileSync(database));
  if (made === undefined)
    yield fault("users", database, "is missing, so that users/assign has no effect", newu);
  else if (!made.equals(table))
    yield fault(
      "users",
      database,
      "is not what qmail-newu makes of users/assign: the assignments are not those of that file",
      newu,
    );
}

/** The database of the assignments, as qmail-newu makes it; undefined if it would refuse the file. */
function* readAssign(
  subject: Subject,
  source: string,
): Generator<ReturnType<typeof fault>, Buffer | undefined> {
  const fd = attempt(`open ${source}`, () => openSync(source, "r"));
  try {
    const reader = new Reader(fd);
    const maker = new CdbMaker();
    const records: Buffer[] = [];
    const wildcards = new Set<number>();
    const seen = new Set<string>();
    for (let number = 1; ; number++) {
      const line = attempt(`read ${source}`, () => reader.line());
      const parsed = parseAssignLine(line ?? Buffer.alloc(0));
      if (parsed.kind === "end") break;
      if (parsed.kind === "bad") {
        const what =
          line === undefined ? "does not end with a line of a single dot" : `line ${number} is no assignment`;
        yield fault(
          "users",
          source,
          `${what}: qmail-newu refuses the file`,
          `correct it, then: ${subject.home}/bin/qmail-newu`,
        );
        return undefined;
      }
      if (parsed.wildcard !== undefined) wildcards.add(parsed.wildcard);
      records.push(maker.add(parsed.key, parsed.data));
      yield* recordFindings(subject, `${source}, line ${number}`, parsed.data, seen);
    }
    records.push(maker.add(wildcardsKey, Buffer.from([...wildcards])));
    const tables = [...maker.tables()];
    return Buffer.concat([maker.header(), ...records, ...tables]);
  } finally {
    closeSync(fd);
  }
}

function* recordFindings(subject: Subject, about: string, data: Buffer, seen: Set<string>): Findings {
  const assignment = parseRecord(Buffer.concat([data, Buffer.of(0)]));
  if (assignment === undefined) return;
  const key = `${assignment.uid}:${assignment.gid}:${assignment.home.toString("latin1")}`;
  if (seen.has(key)) return;
  seen.add(key);
  if (assignment.uid === 0 && subject.system)
    yield fault(
      "users",
      about,
      "assigns mail to root; it is never delivered",
      "forward it: put &USER into alias/.qmail-root",
    );
  else if (!subject.system && assignment.uid !== subject.owner.uid)
    yield fault(
      "users",
      about,
      `assigns mail to uid ${assignment.uid}, but all of this home is ${subject.owner.name}'s`,
      "correct it, then run qmail-newu",
    );
  yield* homeFindings(about, assignment);
}

const writableByOthers = 0o002;
const sticky = 0o1000;

/** What qmail-local looks at before it delivers. */
function* homeFindings(about: string, { home, uid, user }: Assignment): Findings {
  const path = home.toString("latin1");
  const whose = `mail for ${user.toString("latin1")} waits`;
  try {
    const found = statSync(home);
    if (!found.isDirectory())
      yield fault("users", about, `${path} is no directory: ${whose}`, "correct it, then run qmail-newu");
    else if ((found.mode & writableByOthers) !== 0)
      yield fault("users", about, `anybody can write to ${path}: ${whose}`, `chmod o-w ${path}`);
    else if ((found.mode & sticky) !== 0)
      yield note("users", about, `${path} is sticky: ${whose}`, `chmod -t ${path}`);
    if (found.uid !== uid && found.uid !== 0)
      yield note(
        "users",
        about,
        `${path} belongs to uid ${found.uid}, and mail is delivered there as ${uid}`,
      );
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    yield fault(
      "users",
      about,
      `${path} cannot be entered (${failure.code}): ${whose}`,
      `make the directory, or correct the line and run qmail-newu`,
    );
  }
}
