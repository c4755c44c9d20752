/** qmail's own users. */
import { readFileSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { qmailHome, standardHome } from "./home.ts";
import { accountByName, groupByName } from "./passwd.ts";

/** A user that owns a part of qmail (conf-users); `root` owns the rest. */
export type Role = "alias" | "qmaild" | "qmaill" | "root" | "qmailp" | "qmailq" | "qmailr" | "qmails";

/** A group of qmail's (conf-groups). */
export type RoleGroup = "qmail" | "nofiles";

/**
 * The uid of one of qmail's users; undefined if it does not exist. /etc/passwd is asked first, which takes no time;
 * other sources of accounts only where qmail is installed for the whole system.
 */
export function roleUid(role: Role): number | undefined {
  return listed("/etc/passwd", role) ?? elsewhere(() => accountByName(role)?.uid);
}

/** The gid of one of qmail's groups, likewise. */
export function groupGid(group: RoleGroup): number | undefined {
  return listed("/etc/group", group) ?? elsewhere(() => groupByName(group)?.gid);
}

const contents = new Map<string, string>();

/** The number in the third field of the line that begins with `name`. */
function listed(file: string, name: string): number | undefined {
  const text = contents.get(file) ?? `\n${readText(file)}`;
  contents.set(file, text);
  const start = text.indexOf(`\n${name}:`);
  if (start < 0) return undefined;
  const number = Number.parseInt(text.slice(start).split(":", 3)[2] ?? "", 10);
  return Number.isNaN(number) ? undefined : number;
}

const elsewhere = <T>(ask: () => T): T | undefined => (qmailHome() === standardHome ? ask() : undefined);

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return "";
  }
}
