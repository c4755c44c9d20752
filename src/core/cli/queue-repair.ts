/** `qmail queue repair`: puts a queue in order that was damaged, copied or restored. */
import { statSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { splitOf } from "../queue/inventory.ts";
import { type IdsFor, mendFileRights, mendLayout, mendLock, mendPid } from "../queue/mend-rights.ts";
import { mendStates } from "../queue/mend-states.ts";
import { type Mender, mendNames } from "../queue/mending.ts";
import { withQueueLock } from "../queue/queue-lock.ts";
import { syncFileSystemOf } from "../sys/durable.ts";
import { errorText } from "../sys/errors.ts";
import { idsOf } from "../users/identity.ts";
import { type Given, textOf } from "./options.ts";
import { enterQueue, type QueuePlace } from "./queue.ts";
import { attempt, fail, refuse } from "./trouble.ts";

const largestSplit = 9999;

/** Options of the command. */
export const repairOptions = [
  ["--dry-run", "only print what there is to do"],
  ["--split <number>", "split the queue into so many folders (default: as many as it has)"],
] as const;

/** Prints each finding and mends it. 111: something is left that nobody but a person can mend. */
export async function repair(given: Given, say: (line: string) => void): Promise<number> {
  const dry = given.options.dryRun === true;
  const wanted = splitWanted(given);
  const place = await enterQueue(given, ["queue", "repair"], "mend");
  if ("delegated" in place) return place.delegated;
  const counts = { found: 0, left: 0 };
  const mender: Mender = {
    mends: !dry,
    finding: (words, mend) => {
      say(words);
      counts.found++;
      if (mend === undefined) counts.left++;
      else if (!dry) attempt(`mend queue: ${words}`, mend);
    },
  };
  const free = await locked(() => repairAll(place, wanted, mender), mender, place);
  if (!free) throw refuse("qmail-send, or another tool, works on this queue: stop it first");
  if (!dry) attempt("sync queue", () => syncFileSystemOf("."));
  say(summary(counts, dry));
  return counts.left > 0 ? 111 : 0;
}

function splitWanted(given: Given): number | undefined {
  const text = textOf(given, "split");
  if (text === undefined) return undefined;
  const split = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (split < 1 || split > largestSplit) throw refuse(`--split is a number from 1 to ${largestSplit}`);
  return split;
}

/** False: somebody works on the queue. The lock itself may be what is missing. */
async function locked(act: () => void, mender: Mender, { home, system }: QueuePlace): Promise<boolean> {
  try {
    mendLock(home, idsFor(home, system), mender);
    return await withQueueLock(act, { anyway: !mender.mends, create: false });
  } catch (failure) {
    if (isSystemError(failure)) throw fail(`unable to lock the queue: ${errorText(failure.code)}`);
    throw failure;
  }
}

function repairAll({ home, system }: QueuePlace, wanted: number | undefined, mender: Mender): void {
  const ids = idsFor(home, system);
  attempt("read the queue", () => {
    const split = wanted ?? splitOf();
    mendLayout(home, split, ids, mender);
    const inventory = mendNames(split, mender);
    mendFileRights(inventory, ids, mender);
    mendStates(inventory, ids, mender);
    mendPid(Date.now() / 1000, mender);
  });
}

function idsFor(home: string, system: boolean): IdsFor {
  if (system) return idsOf;
  const { uid, gid } = attempt(`examine ${home}`, () => statSync(home));
  return () => ({ uid, gid });
}

function summary({ found, left }: { found: number; left: number }, dry: boolean): string {
  if (found === 0) return "the queue is in order";
  const mended = found - left;
  const rest = left === 0 ? "" : `, ${left} to be looked at`;
  return dry ? `${mended} to be mended${rest}; nothing was changed` : `${mended} mended${rest}`;
}
