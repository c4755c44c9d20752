/** From accounts to assignments: the rules of qmail-pw2u(8). */
import { bytes, leadingNumber } from "../bytes/text.ts";

const colon = 58;

/** What the options say. */
export interface Rules {
  /** What `home` must be like: `own`, existing or the account is skipped; `must`, existing or it is an error; `any`. */
  home: "own" | "must" | "any";
  /** Whether names with upper-case letters count. */
  upperCase: boolean;
  /** Between user and extension; empty for no extensions. */
  break: Buffer;
  /** `-`, or `-/`: what precedes the extension in the name of a .qmail file. */
  dash: string;
}

/** An account that gets mail. Fields are bytes as they stand in the passwd line. */
export interface MailAccount {
  user: Buffer;
  uid: number;
  /** `:user:uid:gid:home:`, the middle of its assignments. */
  middle: Buffer;
  home: Buffer;
}

const userField = 0;
const uidField = 2;
const gidField = 3;
const homeField = 5;

/** The account of a passwd line; undefined where the line has no shell field, holds a NUL or is root's. */
export function accountOf(line: Buffer): MailAccount | undefined {
  if (line.includes(0)) return undefined;
  const fields = splitFields(line);
  const [user, uid, gid, home] = [userField, uidField, gidField, homeField].map((field) => fields[field]);
  if (!user || !uid || !gid || !home || fields.length <= homeField + 1) return undefined;
  const number = leadingNumber(uid) ?? 0;
  if (number === 0) return undefined;
  return { user, uid: number, home, middle: join(":", user, ":", uid, ":", gid, ":", home, ":") };
}

export const hasUpperCase = (name: Buffer): boolean => name.some((byte) => byte >= 65 && byte <= 90);

/** Assignments of one mail name: the name itself, and the name with anything behind the break. */
export function assignments(name: Buffer, { middle }: MailAccount, rules: Rules): Buffer {
  return join("=", name, middle, "::\n", ...extended(name, middle, rules, `${rules.dash}::\n`));
}

/** The assignment of everything nobody else has. */
export function catchAll({ middle }: MailAccount, rules: Rules): Buffer {
  return join("+", middle, rules.dash, "::\n");
}

/** A line of users/subusers: `sub:user:pre:`. */
export interface Subuser {
  sub: Buffer;
  user: Buffer;
  pre: Buffer;
}

/** The subuser of a line; `user` alone where the rest is missing; undefined for a line with less than two colons. */
export function subuserOf(line: Buffer): { user: Buffer; complete: Subuser | undefined } | undefined {
  const [sub, user, pre, after] = splitFields(line);
  if (!sub || !user || pre === undefined) return undefined;
  return { user, complete: after === undefined ? undefined : { sub, user, pre } };
}

/** Assignments of a subuser. */
export function subAssignments({ sub, pre }: Subuser, { middle }: MailAccount, rules: Rules): Buffer {
  const rest = join(rules.dash, ":", pre);
  return join("=", sub, middle, rest, ":\n", ...extended(sub, middle, rules, join(rest, "-:\n")));
}

function extended(name: Buffer, middle: Buffer, rules: Rules, rest: Buffer | string): (Buffer | string)[] {
  return rules.break.length === 0 ? [] : ["+", name, rules.break, middle, rest];
}

/** Between colons; unlike splitAt, what follows the last colon is a field even where it is empty. */
function splitFields(line: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let start = 0; ; ) {
    const end = line.indexOf(colon, start);
    if (end < 0) return [...fields, line.subarray(start)];
    fields.push(line.subarray(start, end));
    start = end + 1;
  }
}

function join(...parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? bytes(part) : part)));
}
