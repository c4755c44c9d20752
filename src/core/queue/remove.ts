/**
 * Removing what is finished or dead. Names go in an order whose every prefix is a state of INTERNALS, so that a
 * power cut between two of them leaves what a restart understands: todo goes after intd (S4 does not need intd), and
 * mess last of all, because the message's id is the inode number of that file, and ext4 gives it to the next message
 * at once. Journals keep the order of removals, so that no barrier is needed: what a power cut brings back is
 * removed again. Where a file system does not (btrfs may make the removal of mess durable first), an orphan in intd or
 * todo remains, which qmail-clean removes when it starts, or one in info, which qmail-send removes.
 */
import { readdirSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { isSystemError } from "../exit.ts";
import { queuePath, queueRoot } from "./paths.ts";

/** Files in pid older than this belong to no living qmail-queue, which gives up after 24 hours. In seconds. */
const ossified = 129_600;

/** Removes the files in pid that were not touched for 36 hours. What can not be looked at or removed stays. */
export function sweepPid(now = Math.floor(Date.now() / 1000)): void {
  const directory = `${queueRoot()}/pid/`;
  for (const name of namesIn(directory)) {
    const path = Buffer.concat([Buffer.from(directory), name]);
    remove(() => (now < accessTime(path) + ossified ? undefined : path));
  }
}

/**
 * Removes the files in intd and todo whose message is gone; its file in mess is made first, and removed last. Where the
 * message's folder is missing as well, something else is wrong, and the file stays.
 */
export function sweepEnvelopes(): void {
  for (const directory of ["intd", "todo"] as const)
    for (const name of namesIn(`${queueRoot()}/${directory}/`)) {
      if (!/^[1-9]\d{0,19}$/.test(name.toString("latin1"))) continue;
      const id = BigInt(name.toString("latin1"));
      remove(() => (isAlone(queuePath("mess", id)) ? queuePath(directory, id) : undefined));
    }
}

function isAlone(message: string): boolean {
  const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
  return !exists(message) && exists(dirname(message));
}

/** True if the file is gone, or was never there. */
export function remove(path: () => string | Buffer | undefined): boolean {
  try {
    const found = path();
    if (found !== undefined) unlinkSync(found);
    return true;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return failure.code === "ENOENT";
  }
}

const accessTime = (path: Buffer): number => Math.floor(statSync(path).atimeMs / 1000);

function namesIn(directory: string): Buffer[] {
  try {
    return readdirSync(directory, { encoding: "buffer" });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return [];
  }
}
