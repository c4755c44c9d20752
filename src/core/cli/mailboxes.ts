/** The mail users of a private home: their assignments, users/cdb, and their mailboxes. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { compileUsers } from "./as.ts";
import {
  freshAssign,
  homeIn,
  idsIn,
  isUserName,
  mailDirectory,
  movedTo,
  type Place,
  usersIn,
  withFirst,
  withoutUser,
  withUser,
} from "./assignments.ts";
import { placeDirectory, readIfThere, replaceFile } from "./place.ts";
import { attempt } from "./trouble.ts";

/** Told of every path, relative to the home, that had to be made; `done` is false for what was there. */
export type Note = (path: string, done: boolean) => void;

/** Addresses that reach the owner unless a mail user has that very name (RFC 2142 wants postmaster). */
export const ownersAddresses = ["postmaster", "mailer-daemon", "root"];

/** Puts users/assign, users/cdb and the mailboxes right. Returns the mail user that the home belongs to. */
export async function mendUsers(place: Place, account: string | undefined, note: Note): Promise<string> {
  const path = join(place.home, "users/assign");
  const before = readIfThere(path);
  const text = assignmentsFor(place, before, mailName(account), note);
  const users = usersIn(text, place.home);
  for (const name of users) makeMailbox(place.home, name, note);
  await assign(place.home, before, text, note);
  return users[0] ?? "postmaster";
}

/** Writes users/assign where it changed, and compiles it where users/cdb is older. */
export async function assign(
  home: string,
  before: string | undefined,
  text: string,
  note: Note,
): Promise<void> {
  if (text !== before) replaceFile(join(home, "users/assign"), text);
  note("users/assign", text !== before);
  const stale = text !== before || isStale(home);
  if (stale) await compileUsers(home);
  note("users/cdb", stale);
}

/** The local part for an account: its name, unless that can not be one. */
function mailName(account: string | undefined): string {
  const name = account?.toLowerCase() ?? "";
  return isUserName(name) && name !== "alias" ? name : "owner";
}

/** users/assign as it should be: for this home at this place, and with its owner. */
function assignmentsFor(place: Place, before: string | undefined, name: string, note: Note): string {
  if (before === undefined) return withUser(freshAssign(place), name, place);
  const ids = idsIn(before) ?? place;
  const moved = movedTo(before, { home: homeIn(before) ?? place.home, ...ids }, place);
  const [first] = usersIn(moved, place.home);
  if (first === undefined) return withUser(moved, name, place);
  return ids.uid === place.uid || first === name ? moved : handOver(place, moved, first, name, note);
}

/** The home has another owner now: what reached the old one reaches the new one. */
function handOver(place: Place, text: string, from: string, to: string, note: Note): string {
  for (const address of ["", ...ownersAddresses.map((name) => `-${name}`)]) {
    const path = join(place.home, `alias/.qmail${address}`);
    const points = readIfThere(path) === `&${from}\n`;
    if (points) replaceFile(path, `&${to}\n`);
    note(`alias/.qmail${address}`, points);
  }
  const kept = ownersAddresses.includes(from) ? withoutUser(text, from, place.home) : text;
  return withFirst(withoutUser(kept, to, place.home), to, place);
}

/** The directory of a mail user and the Maildir in it. */
export function makeMailbox(home: string, name: string, note: Note): void {
  const directory = mailDirectory(home, name);
  for (const path of [
    directory,
    ...["", "/tmp", "/new", "/cur"].map((part) => `${directory}/Maildir${part}`),
  ])
    note(path.slice(home.length + 1), placeDirectory(path, 0o700));
}

/** Whether users/cdb is missing or older than users/assign. */
function isStale(home: string): boolean {
  const modified = (name: string) =>
    statSync(join(home, "users", name), { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? -1n;
  return attempt(`examine ${home}/users`, () => modified("cdb") < modified("assign"));
}
