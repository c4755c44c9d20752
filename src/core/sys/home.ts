/**
 * The qmail home, from which every path is built: /var/qmail, or $QMAILHOME where the process runs with real =
 * effective ids, so that no caller can lead a set-uid program astray.
 */
import { idsAreReal } from "./ids.ts";

/** Where qmail is installed for the whole system. */
export const standardHome = "/var/qmail";

/** The home directory of qmail, without a slash at its end. */
export function qmailHome(): string {
  let chosen = process.env.QMAILHOME;
  if (!chosen || !idsAreReal()) return standardHome;
  while (chosen.endsWith("/")) chosen = chosen.slice(0, -1);
  return chosen;
}

/** A path below the home: `inHome("control", "me")`. */
export function inHome(...parts: string[]): string {
  return [qmailHome(), ...parts].join("/");
}
