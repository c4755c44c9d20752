/**
 * The tree of a system-wide installation, as a table: what `qmail setup` makes and `qmail check` looks at. Owners and
 * modes are those of qmail's own set-up, except that all programs are one executable of mode 0755 (qmail-differences(7)).
 */
import { type QueueEntry, queueLayout } from "../../queue/layout.ts";
import { accountByName, groupByName } from "../../sys/passwd.ts";
import type { Role, RoleGroup } from "../../sys/roles.ts";

/** Who owns a thing, by name. */
export interface Ownership {
  owner: Role;
  group: RoleGroup;
  mode: number;
}

/** One entry; `path` is relative to the qmail home, and empty for the home itself. */
export interface TreeEntry extends Ownership {
  path: string;
  kind: QueueEntry["kind"];
  length?: number;
}

const directory = (path: string, owner: Role = "root", mode = 0o755): TreeEntry => ({
  path,
  owner,
  group: "qmail",
  mode,
  kind: "directory",
});

/** The directories outside the queue, parents first. */
export const homeLayout: readonly TreeEntry[] = [
  directory(""),
  ...["bin", "control", "users", "man", "man/man1", "man/man5", "man/man7", "man/man8"].map((path) =>
    directory(path),
  ),
  directory("alias", "alias", 0o2755),
];

/** The queue, split into so many folders. */
export const systemQueue = (parts?: number): (QueueEntry & TreeEntry)[] =>
  queueLayout(parts).map((entry) => ({ ...entry, group: "qmail" }));

/** The executable behind all programs, and the native one. */
export const executableName = "qmail-ts";
export const executable: Ownership = { owner: "root", group: "qmail", mode: 0o755 };
export const launcher: Ownership = { owner: "qmailq", group: "qmail", mode: 0o4711 };

/** The numbers of an owner, as far as this machine has such users now. */
export function idsOf({ owner, group }: Pick<Ownership, "owner" | "group">): {
  uid: number | undefined;
  gid: number | undefined;
} {
  return { uid: owner === "root" ? 0 : accountByName(owner)?.uid, gid: groupByName(group)?.gid };
}

/** `qmailq:qmail 0750`. */
export const ownershipText = ({ owner, group, mode }: Ownership): string =>
  `${owner}:${group} ${modeText(mode)}`;

export const modeText = (mode: number): string => `0${(mode & 0o7777).toString(8)}`;
