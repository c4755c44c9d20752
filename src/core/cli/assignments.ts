/**
 * users/assign of a private home, as text that an administrator may have edited: our lines are found by what they say,
 * every other line stays where it is (qmail-users(5)).
 */

/** Whom a mailbox belongs to, by number. */
export interface Ids {
  uid: number;
  gid: number;
}

/** The private home and its owner. */
export interface Place extends Ids {
  home: string;
}

const terminator = ".";

/** Directory of a mail user: its .qmail files and its Maildir. */
export const mailDirectory = (home: string, name: string): string => `${home}/mail/${name}`;

/** Who may be a mail user: a local part that is also a harmless file name. */
export function isUserName(name: string): boolean {
  return /^[a-z0-9_][a-z0-9._+=-]{0,63}$/.test(name);
}

/** The file of a new home: the alias user, who gets every address that nobody has. */
export function freshAssign({ home, uid, gid }: Place): string {
  const alias = `alias:${uid}:${gid}:${home}/alias`;
  return `=alias:${alias}:::\n+:${alias}:-::\n${terminator}\n`;
}

/** The mail users, in order; the first is the home's owner. */
export function usersIn(text: string, home: string): string[] {
  const users: string[] = [];
  for (const line of text.split("\n")) {
    if (line === terminator) break;
    const name = /^=([^:]+):/.exec(line)?.[1];
    if (name !== undefined && line.endsWith(`:${mailDirectory(home, name)}:::`)) users.push(name);
  }
  return users;
}

/** Whether an address is assigned, to whomever. */
export function isAssigned(text: string, name: string): boolean {
  return text.split("\n").some((line) => line.toLowerCase().startsWith(`=${name}:`));
}

/** With a mail user's two lines, after those of the users before it. */
export function withUser(text: string, name: string, { home, uid, gid }: Place): string {
  const data = `${name}:${uid}:${gid}:${mailDirectory(home, name)}`;
  const lines = text.split("\n");
  const place = lines.findIndex((line) => /^=alias:/.test(line) || /^\+:/.test(line) || line === terminator);
  lines.splice(Math.max(place, 0), 0, `=${name}:${data}:::`, `+${name}-:${data}:-::`);
  return lines.join("\n");
}

/** With a mail user's two lines before everything else: the first mail user is the owner. */
export function withFirst(text: string, name: string, place: Place): string {
  return withUser("", name, place) + text;
}

/** Without a mail user's two lines. */
export function withoutUser(text: string, name: string, home: string): string {
  const ours = [`=${name}:`, `+${name}-:`];
  const directory = `:${mailDirectory(home, name)}:`;
  return text
    .split("\n")
    .filter((line) => !(ours.some((start) => line.startsWith(start)) && line.includes(directory)))
    .join("\n");
}

const assignment = /^([=+][^:]*:[^:]*):(\d+):(\d+):([^:]*):(.*)$/;

/** The home that the file was written for: where its alias user lives. */
export function homeIn(text: string): string | undefined {
  return /^\+:[^:]*:\d+:\d+:(\/[^:]*)\/alias:/m.exec(text)?.[1];
}

/** With every path below the home `from` and every number of its owner made those of `to`. */
export function movedTo(text: string, from: Place, to: Place): string {
  return text
    .split("\n")
    .map((line) => {
      const [, start, uid, gid, home = "", rest] = assignment.exec(line) ?? [];
      if (start === undefined || Number(uid) !== from.uid || Number(gid) !== from.gid) return line;
      const below = home === from.home || home.startsWith(`${from.home}/`);
      const moved = below ? to.home + home.slice(from.home.length) : home;
      return `${start}:${to.uid}:${to.gid}:${moved}:${rest}`;
    })
    .join("\n");
}

/** The owner's numbers as the file has them, from its alias user. */
export function idsIn(text: string): Ids | undefined {
  const found = /^\+:[^:]*:(\d+):(\d+):/m.exec(text);
  return found === null ? undefined : { uid: Number(found[1]), gid: Number(found[2]) };
}
