/** qmail's own users. */
import { readFileSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { qmailHome, standardHome } from "./home.ts";
import { accountByName } from "./passwd.ts";

/** A user that owns a part of qmail (conf-users); `root` owns the rest. */
export type Role = "alias" | "qmaild" | "qmaill" | "root" | "qmailp" | "qmailq" | "qmailr" | "qmails";

let listed: string | undefined;

/**
 * The uid of one of qmail's users; undefined if it does not exist. /etc/passwd is asked first, which takes no time;
 * other sources of accounts only where qmail is installed for the whole system.
 */
export function roleUid(role: Role): number | undefined {
  listed ??= passwdFile();
  const line = new RegExp(`^${role}:[^:\n]*:(\\d+):`, "m").exec(listed);
  if (line) return Number(line[1]);
  return qmailHome() === standardHome ? accountByName(role)?.uid : undefined;
}

function passwdFile(): string {
  try {
    return readFileSync("/etc/passwd", "latin1");
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return "";
  }
}
