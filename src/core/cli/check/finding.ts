/** What `qmail check` finds, and what it needs to look. */
import type { Account } from "../../sys/passwd.ts";

/** `fault`: mail is lost, late, refused or less safe than it should be. `note`: good to know. */
export type Level = "fault" | "note";

/** One finding. All of it is for people; paths are absolute. */
export interface Finding {
  level: Level;
  /** Which part of the mail system: tree, programs, users, control, queue, space, dns. */
  area: string;
  /** The file, user or host that it is about. */
  about: string;
  what: string;
  /** What to do: a command line where there is one. Empty where there is nothing to do. */
  mend: string;
}

export type Findings = Generator<Finding>;

/** The home that is looked at. */
export interface Subject {
  home: string;
  /** A system-wide installation, or a private home. */
  system: boolean;
  /** Whose private home it is. */
  owner: { uid: number; gid: number; name: string };
}

export const fault = (area: string, about: string, what: string, mend = ""): Finding => ({
  level: "fault",
  area,
  about,
  what,
  mend,
});

export const note = (area: string, about: string, what: string, mend = ""): Finding => ({
  ...fault(area, about, what, mend),
  level: "note",
});

/** The name of an account as text. */
export const nameOf = (account: Account | undefined, uid: number): string =>
  account === undefined ? String(uid) : account.name.toString("latin1");
