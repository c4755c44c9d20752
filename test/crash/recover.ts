/** A mail system starts again after something bad, and works off what it finds. */
import { lutimesSync } from "node:fs";
import { basename } from "node:path";
import { type Group, type PrivateHome, until } from "../helpers/home.ts";

const patience = 60;

/** Seconds that a first start may take to sweep, and between two looks. */
const [sweeping, glance] = [2, 0.02];

/** Files that nobody will ever ask for: after 36 hours they are swept away. */
const aged = 37 * 3600;

/** The files of messages that are qmail-send's. What qmail-queue did not finish is not. */
export const underWay = (home: PrivateHome): string[] =>
  home
    .queued()
    .filter((file) => /\/queue\/(todo|bounce|(info|local|remote)\/\d+)\/[1-9]\d{0,18}$/.test(file));

/** Ends the daemons in good order, and waits until every process is gone. */
export async function stop(daemons: Group): Promise<void> {
  daemons.signal("SIGTERM");
  await daemons.ended();
  await daemons.kill();
}

/** Waits until everything is delivered; what was deferred is tried again at once. */
export async function drain(home: PrivateHome, daemons: Group): Promise<void> {
  for (
    let second = 0;
    second < patience && !(await until(1, () => underWay(home).length === 0, glance));
    second++
  )
    daemons.signal("SIGALRM");
}

/** Whether a file says, by its time, when its recipients are tried next. */
const saysWhen = (file: string): boolean => /\/queue\/(local|remote)\/\d+\/\d+$/.test(file);

function setTimes(files: readonly string[], seconds: number): void {
  for (const path of files) lutimesSync(path, seconds, seconds);
}

/** Files of no message that is under way. */
function deadIn(home: PrivateHome): string[] {
  const alive = new Set(underWay(home).map((file) => basename(file)));
  return home.queued().filter((file) => !alive.has(basename(file)));
}

/**
 * Lets everything in the queue be delivered; what was deferred is tried again at once. What is left then passes 36
 * hours by its files' times, and is swept. Returns how many files were swept, and those that stay for ever. `late`: the
 * start itself comes after 36 hours, so that it sweeps, too.
 */
export async function recoverQueue(
  home: PrivateHome,
  late = false,
): Promise<{ swept: number; left: string[] }> {
  const before = home.queued();
  if (before.length === 0) return { swept: 0, left: [] };
  const old = Date.now() / 1000 - aged;
  const dead = late ? deadIn(home) : [];
  setTimes(dead, old);
  setTimes(before.filter(saysWhen), Date.now() / 1000 - 1);
  const daemons = home.start();
  await drain(home, daemons);
  if (late) await until(sweeping, () => home.queued().length === 0, glance);
  await stop(daemons);
  const still = home.queued();
  if (still.length === 0) return { swept: dead.length, left: [] };
  setTimes(still, old);
  const again = home.start();
  await until(patience / 6, () => home.queued().length === 0, glance);
  await stop(again);
  const left = home.queued();
  return { swept: dead.length + still.length - left.length, left };
}
