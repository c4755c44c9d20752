/**
 * The queue that a `qmail queue` command works on, and as whom: in a private home as its owner, in a system-wide
 * installation as qmails, to whom what qmail-send moves belongs. The current directory becomes the queue.
 */
import { lchownSync, mkdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { isSystemError } from "../exit.ts";
import { holdDirectory } from "../queue/holds.ts";
import { askDirectory } from "../queue/order-file.ts";
import { prepareCleaner } from "../queue/unattended.ts";
import { syncDirectory } from "../sys/durable.ts";
import { qmailHome, standardHome } from "../sys/home.ts";
import { accountByName } from "../sys/passwd.ts";
import { become, type Ids, idsOf } from "../users/identity.ts";
import { mustBecome, runAs } from "./as.ts";
import { currentOwner, ownerText } from "./home.ts";
import { type Given, textOf } from "./options.ts";
import { attempt, refuse } from "./trouble.ts";

/** Where a command works. `system`: with qmail's users. */
export interface QueuePlace {
  home: string;
  system: boolean;
}

/** `look`: changes nothing. `order`: gives orders. `mend`: as root where root is. */
export type Purpose = "look" | "order" | "mend";

/** Enters the queue as who may; or the exit code of the owner's process that did it all. */
export async function enterQueue(
  given: Given,
  words: readonly string[],
  purpose: Purpose,
): Promise<QueuePlace | { delegated: number }> {
  const home = resolve(textOf(given, "home") ?? qmailHome());
  const queue = `${home}/queue`;
  const found = attempt(`examine ${queue}`, () => statSync(queue, { throwIfNoEntry: false }));
  if (found === undefined) throw refuse(`there is no queue in ${home}; give --home DIR, or set QMAILHOME`);
  const system = isSystemWide(home, found.uid, purpose);
  if (!system) {
    const owner = mustBecome(home);
    if (owner !== undefined)
      return { delegated: await runAs(owner, home, [...words, "--home", home, ...commandLine(given)]) };
  }
  process.env.QMAILHOME = home;
  attempt(`enter ${queue}`, () => process.chdir(queue));
  const ids = system ? queueUser(home) : undefined;
  if (purpose === "order") {
    makeDirectories(home, ids);
    if (ids !== undefined) attempt(`run ${home}/bin/qmail-clean`, prepareCleaner);
  }
  if (ids !== undefined && purpose !== "mend") become(ids);
  return { home, system };
}

/** Whether the queue is qmail's users'. One that has to be mended may have got any owner. */
function isSystemWide(home: string, queueOwner: number, purpose: Purpose): boolean {
  const [qmailq, qmails] = ["qmailq", "qmails"].map((name) => accountByName(name)?.uid);
  if (qmailq === undefined || qmails === undefined) return false;
  if (queueOwner === qmailq) return true;
  if (purpose !== "mend" || process.geteuid?.() !== 0) return false;
  const owners = ["mess", "pid", "todo", "info", "bounce", "lock"].map(
    (name) => statSync(`${home}/queue/${name}`, { throwIfNoEntry: false })?.uid,
  );
  return home === standardHome || owners.some((owner) => owner === qmailq || owner === qmails);
}

/** The user to become; undefined: we are that user. Anybody but root and qmails is refused. */
function queueUser(home: string): Ids | undefined {
  const me = currentOwner();
  const ids = idsOf("qmails");
  if (me.uid === 0) return ids;
  if (me.uid === ids.uid) return undefined;
  throw refuse(
    `${home}/queue belongs to qmail's users; only root and qmails may do this, and this is ${ownerText(me)}`,
  );
}

/** Where orders and marks are kept; a queue that never saw any has no such directories. */
function makeDirectories(home: string, ids: Ids | undefined): void {
  for (const name of [askDirectory, holdDirectory]) {
    const path = `${home}/queue/${name}`;
    attempt(`make directory ${path}`, () => {
      try {
        mkdirSync(path, 0o700);
      } catch (failure) {
        if (isSystemError(failure, "EEXIST")) return;
        throw failure;
      }
      if (ids !== undefined) lchownSync(path, ids.uid, ids.gid);
      syncDirectory(`${home}/queue`);
    });
  }
}

/** What was given, as a command line again; but for the home. */
function commandLine({ options, names }: Given): string[] {
  const flags = Object.entries(options).flatMap(([name, value]) => {
    if (name === "home" || value === undefined || value === false) return [];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [flag] : [`${flag}=${value}`];
  });
  return [...flags, "--", ...names];
}
