/** `qmail setup` as a list of steps: each is found by looking at what is there, and then done or only shown. */
import { chmodSync, chownSync, lstatSync } from "node:fs";
import { isSystemError } from "../../exit.ts";
import { attempt } from "../trouble.ts";
import { reach } from "./reach.ts";
import { idsOf, type Ownership } from "./tree.ts";

/** One step. The next one is looked for after this one is done, so that it sees what was made. */
export interface Step {
  /** What it does: `make directory /var/qmail/bin (root:qmail 0755)`. */
  words: string;
  run: () => void | Promise<void>;
}

export type Steps = Generator<Step>;

/** Where the installation goes. */
export interface Site {
  /** What stands before every path: empty, or the directory of a staging tree. */
  prefix: string;
  /** The qmail home, with the prefix. */
  home: string;
}

/** Whether owners can be given here. A staging tree may be made by anybody; then `qmail setup` on its machine does it. */
export const givesOwners = (): boolean => process.geteuid?.() === 0;

const setIds = 0o6000;

/** The numbers and the mode that a thing gets here: no set-user-id bit for anybody but its rightful owner. */
function settled(wanted: Ownership): { uid: number | undefined; gid: number | undefined; mode: number } {
  const { uid, gid } = givesOwners() ? idsOf(wanted) : { uid: undefined, gid: undefined };
  const known = uid !== undefined && gid !== undefined;
  return { uid, gid, mode: known ? wanted.mode : wanted.mode & ~setIds };
}

/** Gives a path its owner and mode: the mode last, because chown takes a set-user-id bit away. */
export function own(path: string, wanted: Ownership): void {
  const { uid, gid, mode } = settled(wanted);
  attempt(`give ${path} to ${wanted.owner}:${wanted.group}`, () =>
    reach(path, (place) => {
      if (givesOwners()) chownSync(place, uid ?? 0, gid ?? 0);
      chmodSync(place, mode);
    }),
  );
}

/** What is not as wanted; undefined: nothing. That users are not there yet is no difference. */
export function differing(path: string, wanted: Ownership): "owner" | "mode" | undefined {
  const found = lstatSync(path);
  const { uid, gid, mode } = settled(wanted);
  if ((uid !== undefined && found.uid !== uid) || (gid !== undefined && found.gid !== gid)) return "owner";
  return (found.mode & 0o7777) === mode ? undefined : "mode";
}

/** lstat, or undefined where a path or one of its parents is not there. */
export function lookAt(path: string) {
  return attempt(`examine ${path}`, () => {
    try {
      return lstatSync(path, { throwIfNoEntry: false });
    } catch (failure) {
      if (isSystemError(failure, "ENOTDIR")) return undefined;
      throw failure;
    }
  });
}
