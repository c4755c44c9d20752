/** What would make an installation go wrong halfway, found before anything is changed. */
import { lstatSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { accountByName, accountByUid } from "../../sys/passwd.ts";
import { attempt, refuse } from "../trouble.ts";
import { checkTools } from "./accounts.ts";
import { isSplitTodo } from "./directories.ts";
import { builtExecutable } from "./programs.ts";
import { lookAt, type Site } from "./step.ts";

/** Refuses (100) what can not be done here; then nothing was changed. */
export function checkBefore(site: Site): void {
  const live = site.prefix === "";
  if (live && process.geteuid?.() !== 0)
    throw refuse(
      "only root can install for the whole system; --prefix DIR makes a staging tree, and qmail init a private home",
    );
  builtExecutable();
  if (live) checkTools();
  checkQueue(site);
}

/** A queue that is there has to be one of a system-wide qmail, in the form that these programs know. */
function checkQueue({ home }: Site): void {
  const queue = join(home, "queue");
  const found = lookAt(queue);
  if (found === undefined) return;
  const owner = found.uid;
  const mayBe = [0, process.geteuid?.(), accountByName("qmailq")?.uid];
  if (!mayBe.includes(owner))
    throw refuse(
      `${queue} belongs to ${accountByUid(owner)?.name ?? `uid ${owner}`}, not to qmailq: it is a private home, or of a qmail whose users have other names; nothing was changed`,
    );
  // A staging tree that was made without qmail's users is root's as well, but has no mail users of its own.
  if (owner === 0 && isPrivateHome(home))
    throw refuse(`${home} is a private home of root: move it away first; nothing was changed`);
  if (isSplitTodo(home))
    throw refuse(
      `${queue}/todo is split into folders (a big-todo queue): let its own qmail empty it first; nothing was changed`,
    );
}

/** Whether a home is one that `qmail init` has made. */
export const isPrivateHome = (home: string): boolean => lookAt(join(home, "mail"))?.isDirectory() === true;

/** The path of a staging tree, which has to be there. */
export function stagingPath(given: string): string {
  const path = attempt(`examine ${given}`, () => lstatSync(given, { throwIfNoEntry: false }));
  if (path === undefined) throw refuse(`${given} is not there: make the directory of the staging tree first`);
  const real = attempt(`examine ${given}`, () => realpathSync(given));
  return real === "/" ? "" : real;
}
