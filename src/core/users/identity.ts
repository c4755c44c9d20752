/**
 * Who the programs of a queue run as. A system-wide installation has qmail's users and a queue that belongs to
 * qmailq; a private home runs entirely as one user, its owner. Decided by what this process can do and by what the
 * disk shows, never by where the home is.
 */

import { statSync } from "node:fs";
import { isSystemError, temporary } from "../exit.ts";
import { inHome, qmailHome } from "../sys/home.ts";
import { takeIds } from "../sys/ids.ts";
import { accountByName, groupByName } from "../sys/passwd.ts";

/** A user and its group, as numbers. */
export interface Ids {
  uid: number;
  gid: number;
}

/** qmail's users and the group each program runs with (INSTALL.ids). */
const groupOf = {
  alias: "nofiles",
  qmaild: "nofiles",
  qmaill: "nofiles",
  qmailp: "nofiles",
  qmailq: "qmail",
  qmailr: "qmail",
  qmails: "qmail",
} as const;

/** The name of one of qmail's users. */
export type QmailUser = keyof typeof groupOf;

/**
 * `users`: we are root and the queue is qmailq's, so every program switches to its own user (ids with idsOf).
 * `owner`: we are root in somebody's private home, so everything switches to that one user.
 * `current`: we are not root, or the private home is root's own: nothing switches.
 */
export type QueueIdentity = { kind: "users" } | { kind: "owner"; ids: Ids } | { kind: "current" };

/** Decides who the programs of this home run as. */
export function queueIdentity(): QueueIdentity {
  if (process.geteuid?.() !== 0) return { kind: "current" };
  const queue = ownerOf(inHome("queue"));
  if (queue !== undefined && queue.uid === accountByName("qmailq")?.uid) return { kind: "users" };
  const home = ownerOf(qmailHome());
  return home === undefined || home.uid === 0 ? { kind: "current" } : { kind: "owner", ids: home };
}

function ownerOf(path: string): Ids | undefined {
  try {
    const { uid, gid } = statSync(path);
    return { uid, gid };
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

/** The ids that one of qmail's users has here; exit 111 if there is no such user. */
export function idsOf(user: QmailUser): Ids {
  const account = accountByName(user);
  if (account === undefined) throw temporary(`fatal: unable to find user ${user}\n`);
  return { uid: account.uid, gid: groupByName(groupOf[user])?.gid ?? account.gid };
}

/** Becomes that user for good: its group alone, no supplementary groups. */
export function become({ uid, gid }: Ids): void {
  takeIds(uid, gid);
}

/**
 * Root becomes the owner of a directory, so that what it makes there belongs to whom it should. Anybody else stays
 * what they are, and so does root where the directory is root's or is missing.
 */
export function becomeOwnerOf(directory: string): void {
  const owner = process.geteuid?.() === 0 ? ownerOf(directory) : undefined;
  if (owner !== undefined && owner.uid !== 0) become(owner);
}
