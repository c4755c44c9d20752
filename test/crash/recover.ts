/** A mail system starts again after something bad, and works off what it finds. */
import { lutimesSync } from "node:fs";
import { type Group, type PrivateHome, until } from "../helpers/home.ts";

const patience = 60;

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
  for (let second = 0; second < patience && !(await until(1, () => underWay(home).length === 0)); second++)
    daemons.signal("SIGALRM");
}

/**
 * Lets everything in the queue be delivered; what was deferred is tried again at once. What is left then passes 36
 * hours by its files' times, and is swept. Returns how many files were swept, and those that stay for ever.
 */
export async function recoverQueue(home: PrivateHome): Promise<{ swept: number; left: string[] }> {
  const daemons = home.start();
  await drain(home, daemons);
  await stop(daemons);
  const dead = home.queued();
  if (dead.length === 0) return { swept: 0, left: [] };
  const then = Date.now() / 1000 - aged;
  for (const path of dead) lutimesSync(path, then, then);
  const again = home.start();
  await until(patience / 6, () => home.queued().length === 0);
  await stop(again);
  const left = home.queued();
  return { swept: dead.length - left.length, left };
}
