/** What is at the place of a private home, and who owns it. */
import { mkdirSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { accountByName, accountByUid } from "../sys/passwd.ts";
import type { Ids } from "./assignments.ts";
import { look } from "./place.ts";
import { attempt, refuse } from "./trouble.ts";

/** `unfinished`: a set-up that was interrupted before it wrote control/me. */
export type HomeState = "absent" | "empty" | "unfinished" | "home";

/** What is at a path. Anything that is neither empty nor a qmail home is refused. */
export function stateOf(home: string): HomeState {
  const found = attempt(`examine ${home}`, () => statSync(home, { throwIfNoEntry: false }));
  if (found === undefined) return "absent";
  if (!found.isDirectory()) throw refuse(`${home} is not a directory`);
  if (look(join(home, "control/me")) !== undefined) return checkedHome(home, found.uid);
  const entries = attempt(`read directory ${home}`, () => readdirSync(home));
  if (entries.length === 0) return "empty";
  const ours = entries.every((name) => name === "control" || name === "bin");
  const begun = ours && entries.includes("control") && onlyTemporary(join(home, "control"));
  if (begun) return "unfinished";
  throw refuse(`${home} is neither empty nor a qmail home (it has no control/me); nothing was changed`);
}

function onlyTemporary(directory: string): boolean {
  return attempt(`read directory ${directory}`, () => readdirSync(directory)).every((name) =>
    name.endsWith(".tmp"),
  );
}

function checkedHome(home: string, uid: number): HomeState {
  const queue = look(join(home, "queue"));
  if (queue !== undefined && queue.uid !== uid && queue.uid === accountByName("qmailq")?.uid)
    throw refuse(`${home} is a system-wide installation, not a private home; nothing was changed`);
  return "home";
}

/**
 * The path without symbolic links, so that the assignments in users/assign hold wherever it is used. Parents need not
 * exist. Refuses what users/assign can not express.
 */
export function homePath(given: string): string {
  const path = resolve(given);
  if (path === "/") throw refuse("the root directory can not be a qmail home");
  const real = realOf(path);
  if (/[:\n\r\0\ufffd]/.test(real))
    throw refuse(
      `the path ${JSON.stringify(real)} has a colon, a line end or a byte that is not UTF-8; users/assign can not hold it`,
    );
  return real;
}

function realOf(path: string): string {
  if (look(path) !== undefined) return attempt(`examine ${path}`, () => realpathSync(path));
  const parent = dirname(path);
  return join(parent === path ? path : realOf(parent), basename(path));
}

/** Makes the directory of a home, and its parents. */
export function makeHomeDirectory(home: string): void {
  attempt(`make directory ${home}`, () => mkdirSync(home, { recursive: true, mode: 0o755 }));
}

/** Somebody who owns a home. */
export interface Owner extends Ids {
  /** As the system calls it; undefined for a number without an account. */
  name: string | undefined;
}

const ownerOf = (account: { name: Buffer; uid: number; gid: number }): Owner => ({
  name: account.name.toString(),
  uid: account.uid,
  gid: account.gid,
});

/** The user that this process is. */
export function currentOwner(): Owner {
  const uid = process.geteuid?.() ?? 0;
  const account = attempt("look up my account", () => accountByUid(uid));
  return { name: account?.name.toString(), uid, gid: process.getegid?.() ?? 0 };
}

/** The user of that name. */
export function ownerNamed(name: string): Owner {
  const account = attempt(`look up user ${name}`, () => accountByName(name));
  if (account === undefined) throw refuse(`there is no user "${name}" on this machine`);
  return ownerOf(account);
}

/** The owner of a directory. */
export function ownerOfDirectory(path: string): Owner {
  const { uid, gid } = attempt(`examine ${path}`, () => statSync(path));
  const account = attempt(`look up the owner of ${path}`, () => accountByUid(uid));
  return account === undefined ? { name: undefined, uid, gid } : ownerOf(account);
}

/** For messages: "ann" or "uid 1000". */
export const ownerText = (owner: Owner): string => owner.name ?? `uid ${owner.uid}`;
