/**
 * checkpassword(8): reads a name and a password from descriptor 3 and, if they belong together, runs a program as that
 * user, in their home.
 */

import { closeSync } from "node:fs";
import { lowerCase } from "../core/bytes/text.ts";
import { CdbDamaged } from "../core/control/cdbfile.ts";
import { Exit, isSystemError, temporary } from "../core/exit.ts";
import { isSystemPassword } from "../core/sys/crypt.ts";
import { errorText } from "../core/sys/errors.ts";
import { execLikeShell } from "../core/sys/exec.ts";
import { readSome } from "../core/sys/fd.ts";
import { qmailHome, standardHome } from "../core/sys/home.ts";
import { takeIds } from "../core/sys/ids.ts";
import { changeDirectory } from "../core/sys/libc.ts";
import { accountByName } from "../core/sys/passwd.ts";
import { findRecord, parseRecord, UsersDamaged } from "../core/users/lookup.ts";
import { isPassword, pretendToCheck, storedPassword } from "../core/users/poppasswd.ts";

/** How the two that are not the world's failures end. */
const refused = 1;
const misused = 2;

const secrets = 3;
const limit = 512;

/** Who was let in. */
interface Login {
  name: Buffer;
  uid: number;
  gid: number;
  home: Buffer;
  shell: Buffer | string;
  /** An account of the system, with all its groups; otherwise a mail user, with one. */
  account: boolean;
}

export function main([program, ...args]: Buffer[]): number {
  if (program === undefined) throw new Exit(misused);
  const [name, password] = readSecrets();
  const login = attempt("look up the user", () => check(name, password));
  password.fill(0);
  if (login === undefined) throw new Exit(refused);
  attempt(`become uid ${login.uid}`, () => enter(login));
  attempt(`change to ${login.home.toString("latin1")}`, () => changeDirectory(login.home));
  return attempt(`run ${program.toString("latin1")}`, () =>
    execLikeShell(program.toString(), args, { USER: login.name, HOME: login.home, SHELL: login.shell }),
  );
}

/** Does one step; trouble with the system is a temporary failure. */
function attempt<Result>(words: string, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    const damaged = failure instanceof CdbDamaged || failure instanceof UsersDamaged;
    if (!isSystemError(failure) && !damaged) throw failure;
    const reason = isSystemError(failure) ? errorText(failure.code) : failure.message;
    throw temporary(`checkpassword: fatal: unable to ${words}: ${reason}\n`);
  }
}

/** Name, NUL, password, NUL, and what else there may be. */
function readSecrets(): [Buffer, Buffer] {
  const bytes = Buffer.alloc(limit + 1);
  let length = 0;
  try {
    for (let got = 1; got > 0 && length <= limit; length += got)
      got = readSome(secrets, bytes.subarray(length));
    closeSync(secrets);
  } catch (failure) {
    // Where the descriptor was closed, the runtime may have put something of its own there.
    if (isSystemError(failure, "EBADF") || isSystemError(failure, "EINVAL")) throw new Exit(misused);
    if (!isSystemError(failure)) throw failure;
    throw temporary(`checkpassword: fatal: unable to read descriptor 3: ${errorText(failure.code)}\n`);
  }
  if (length > limit) throw new Exit(refused);
  const first = bytes.subarray(0, length).indexOf(0);
  const second = bytes.subarray(0, length).indexOf(0, first + 1);
  if (first < 0 || second < 0) throw new Exit(misused);
  return [bytes.subarray(0, first), bytes.subarray(first + 1, second)];
}

/** A mail user with a password of our own; in a system-wide installation also an account of the system. */
function check(name: Buffer, password: Buffer): Login | undefined {
  const ours = lowerCase(name);
  const stored = name.length === 0 ? undefined : storedPassword(ours.toString("latin1"));
  if (stored !== undefined)
    return isPassword(password, stored) ? (mailUser(ours) ?? account(ours)) : undefined;
  const known = name.length > 0 && qmailHome() === standardHome ? account(name) : undefined;
  if (known === undefined) pretendToCheck(password);
  return known !== undefined && isSystemPassword(name, password) ? known : undefined;
}

/** Whose mail users/cdb says it is. */
function mailUser(name: Buffer): Login | undefined {
  const record = findRecord(name);
  const assignment = record && parseRecord(record);
  if (assignment === undefined || assignment.dash.length > 0) return undefined;
  const { uid, gid, home } = assignment;
  // Root gets no mail, but in a private home of its own.
  if (uid === 0 && qmailHome() === standardHome) return undefined;
  return { name, uid, gid, home, shell: "/bin/sh", account: false };
}

function account(name: Buffer): Login | undefined {
  const found = accountByName(name);
  return found && { ...found, account: true };
}

/** process.initgroups, which the types of the runtime leave out. */
const initgroups = (process as { initgroups?: (user: string, group: number) => void }).initgroups;

/** Becomes the user. Who is not root can only be who they are. */
function enter({ name, uid, gid, account }: Login): void {
  const self = process.geteuid?.();
  if (self === uid && (self !== 0 || !account)) return;
  takeIds(uid, gid, account ? () => initgroups?.call(process, name.toString(), gid) : undefined);
}
