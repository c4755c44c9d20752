/** `qmail user`: who has a mailbox in a private home. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { lockExclusive } from "../sys/lock.ts";
import { hashPassword, poppasswdFile, withPassword } from "../users/poppasswd.ts";
import { mustBecome, runAs } from "./as.ts";
import {
  idsIn,
  isAssigned,
  isUserName,
  mailDirectory,
  type Place,
  usersIn,
  withoutUser,
  withUser,
} from "./assignments.ts";
import { existingHome } from "./init.ts";
import { assign, makeMailbox } from "./mailboxes.ts";
import { askPassword } from "./password.ts";
import { readIfThere, replaceFile } from "./place.ts";
import { attempt, refuse } from "./trouble.ts";

/** A mail user. */
export interface MailUser {
  name: string;
  maildir: string;
  /** The home's owner, who also gets the mail of postmaster. */
  owner: boolean;
}

/** What became of one name. */
export interface Change {
  name: string;
  maildir: string;
  changed: boolean;
}

/** The changes, or the exit code of the owner's process that made and reported them. */
export type Changes = Change[] | { delegated: number };

const maildirOf = (home: string, name: string): string => `${mailDirectory(home, name)}/Maildir`;

/** The mail users of a home, the owner first. */
export function listUsers(given: string): MailUser[] {
  const home = existingHome(given);
  const text = readIfThere(join(home, "users/assign")) ?? "";
  return usersIn(text, home).map((name, index) => ({
    name,
    maildir: maildirOf(home, name),
    owner: index === 0,
  }));
}

/** Gives each name a mailbox. Who has one keeps it. */
export async function addUsers(given: string, names: string[]): Promise<Changes> {
  const wanted = names.map(checkedName);
  const home = existingHome(given);
  const owner = mustBecome(home);
  if (owner !== undefined)
    return { delegated: await runAs(owner, home, ["user", "add", "--home", home, ...wanted]) };
  return edit(home, (text, place) => {
    const present = usersIn(text, home);
    const fresh = [...new Set(wanted)].filter((name) => !present.includes(name));
    for (const name of fresh)
      if (isAssigned(text, name))
        throw refuse(`${name} is assigned to somebody else in ${home}/users/assign`);
    for (const name of wanted) makeMailbox(home, name, () => undefined);
    return {
      text: fresh.reduce((lines, name) => withUser(lines, name, place), text),
      changed: fresh,
      all: wanted,
    };
  });
}

/** Takes the addresses of each name away; the mail that they have stays. */
export async function removeUsers(given: string, names: string[]): Promise<Changes> {
  const wanted = names.map(checkedName);
  const home = existingHome(given);
  const owner = mustBecome(home);
  if (owner !== undefined)
    return { delegated: await runAs(owner, home, ["user", "remove", "--home", home, ...wanted]) };
  return edit(home, (text) => {
    const [first, ...others] = usersIn(text, home);
    for (const name of wanted) {
      if (name === first) throw refuse(`${name} owns this home and gets the mail of postmaster: not removed`);
      if (!others.includes(name)) throw refuse(`${name} has no mailbox in ${home}`);
    }
    for (const name of wanted) storePassword(home, name, undefined);
    const rest = wanted.reduce((lines, name) => withoutUser(lines, name, home), text);
    return { text: rest, changed: wanted, all: wanted };
  });
}

/** Asks for a password and gives it to a mail user, in the place of the one before. */
export async function setPassword(given: string, user: string): Promise<Changes> {
  const name = checkedName(user);
  const home = existingHome(given);
  const owner = mustBecome(home);
  if (owner !== undefined)
    return { delegated: await runAs(owner, home, ["user", "passwd", "--home", home, name], 0) };
  const password = await askPassword(name);
  return edit(home, (text) => {
    if (!usersIn(text, home).includes(name)) throw refuse(`${name} has no mailbox in ${home}`);
    storePassword(home, name, hashPassword(password));
    return { text, changed: [name], all: [name] };
  });
}

/** Changes users/poppasswd, which nobody but the home's owner may read. */
function storePassword(home: string, name: string, hash: string | undefined): void {
  const path = join(home, poppasswdFile);
  const before = readIfThere(path) ?? "";
  const text = withPassword(before, name, hash);
  if (text !== before) replaceFile(path, text, 0o600);
}

function checkedName(given: string): string {
  const name = given.toLowerCase();
  if (name === "alias")
    throw refuse("alias is the user who gets the mail that nobody else gets; choose another name");
  if (isUserName(name)) return name;
  throw refuse(
    `"${given}" can not be a mail user: 1 to 64 letters, digits and ._+=- beginning with a letter, digit or _`,
  );
}

type Edit = (text: string, place: Place) => { text: string; changed: string[]; all: string[] };

/** Changes users/assign and compiles it; one process at a time. */
async function edit(home: string, change: Edit): Promise<Change[]> {
  process.umask(0o022);
  const directory = join(home, "users");
  const fd = attempt(`open ${directory}`, () => openSync(directory, "r"));
  try {
    attempt(`lock ${directory}`, () => lockExclusive(fd));
    const before = readIfThere(join(directory, "assign")) ?? "";
    const ids = idsIn(before) ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    const { text, changed, all } = change(before, { home, ...ids });
    await assign(home, before, text, () => undefined);
    return all.map((name) => ({ name, maildir: maildirOf(home, name), changed: changed.includes(name) }));
  } finally {
    closeSync(fd);
  }
}
