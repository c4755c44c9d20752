/**
 * Mending a queue after damage, or after it was copied. The caller holds lock/sendmutex; the current directory is the
 * queue. Each finding is told before it is mended. A repair that was interrupted is completed by the next one:
 * a message's file in mess moves last, so that its number is known for as long as any other file has its old name.
 * Nothing that somebody wrote is removed: what belongs to no message goes to queue/lost.
 */
import { lstatSync, mkdirSync, renameSync, rmdirSync } from "node:fs";
import { dirname } from "node:path";
import { isSystemError } from "../exit.ts";
import {
  arrivalOrder,
  entriesOf,
  folderName,
  type Inventory,
  messageDirectories,
  placeOf,
  type Stored,
  splitDirectories,
  takeInventory,
  underWay,
} from "./inventory.ts";

/** Where goes what belongs to no message, relative to the queue. */
export const lostDirectory = "lost";

/** What a repair does with what it finds. */
export interface Mender {
  /** Tells a finding and mends it. Without `mend`, somebody has to look. */
  finding: (words: string, mend?: () => void) => void;
  /** Whether anything is mended. */
  mends: boolean;
}

/** Puts numbers, folders and names right; what is there afterwards, or would be. */
export function mendNames(split: number, mender: Mender): Inventory {
  const inventory = takeInventory(split);
  const { messages, moving } = inventory;
  for (const path of inventory.strange) toLost(path, "is no file of a message", mender);
  for (const message of messages.values())
    if (message.inode === undefined) loseOrphan(inventory, message, mender);
  for (const [id, { files }] of moving)
    mender.finding(
      `message ${id}: an interrupted repair had begun with ${[...files.values()].join(" ")}`,
      () => {
        // arrive() goes on with it.
      },
    );
  for (const message of [...messages.values()])
    if (message.inode !== undefined && message.id !== message.inode) setOff(inventory, message, mender);
  for (const message of moving.values()) arrive(inventory, message, mender);
  for (const message of messages.values()) moveToFolders(inventory, message, mender);
  removeFolders(inventory, mender);
  return inventory;
}

/** Without its file in mess there is no message; what is left of it is kept for whoever wants to know. */
function loseOrphan({ messages }: Inventory, { id, files }: Stored, mender: Mender): void {
  messages.delete(id);
  for (const path of files.values()) toLost(path, "belongs to no message", mender);
}

/** Puts aside. The name says where it was. */
export function toLost(path: string, why: string, mender: Mender): void {
  mender.finding(`${path} ${why}: to ${lostDirectory}`, () => {
    makeDirectory(lostDirectory);
    renameSync(path, freeName(`${lostDirectory}/${path.replaceAll("/", ".")}`));
  });
}

/** An earlier repair may have put aside one of the same name. */
function freeName(wanted: string): string {
  const taken = new Set(entriesOf(lostDirectory).map(({ name }) => `${lostDirectory}/${name}`));
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${wanted}.${count}`;
    if (!taken.has(name)) return name;
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, 0o700);
  } catch (failure) {
    if (!isSystemError(failure, "EEXIST")) throw failure;
  }
}

/** First half of a new number: every file gets it, with a suffix, since another message may still have it. */
function setOff({ split, messages, moving }: Inventory, message: Stored, mender: Mender): void {
  const { id, inode = id, files } = message;
  messages.delete(id);
  const earlier = moving.get(inode)?.files ?? [];
  moving.set(inode, { id: inode, inode, files: new Map([...earlier, ...files]) });
  mender.finding(`${files.get("mess")} is file ${inode}: message ${id} becomes ${inode}`, () => {
    for (const directory of messageDirectories) {
      const path = files.get(directory);
      const target = `${placeOf(directory, inode, split)}${underWay}`;
      if (path !== undefined) move(path, target);
      if (path !== undefined) moving.get(inode)?.files.set(directory, target);
    }
  });
}

/** Second half: no message has its old number any more. */
function arrive({ split, messages }: Inventory, { id, files }: Stored, mender: Mender): void {
  // An interrupted repair came as far as here with some of them.
  const message: Stored = { id, inode: id, files: new Map([...(messages.get(id)?.files ?? []), ...files]) };
  messages.set(id, message);
  if (!mender.mends) return;
  for (const directory of arrivalOrder) {
    const path = files.get(directory);
    const target = placeOf(directory, id, split);
    if (path !== undefined) move(path, target);
    if (path !== undefined) message.files.set(directory, target);
  }
}

function moveToFolders({ split }: Inventory, { id, files }: Stored, mender: Mender): void {
  for (const directory of arrivalOrder) {
    const path = files.get(directory);
    const target = placeOf(directory, id, split);
    // Without mending, what has another name is told already.
    if (path === undefined || path === target || !path.endsWith(`/${id}`)) continue;
    mender.finding(`${path} belongs into ${dirname(target)}`, () => {
      move(path, target);
      files.set(directory, target);
    });
  }
}

/** Never over another file. */
function move(from: string, to: string): void {
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined)
    throw Object.assign(new Error(`EEXIST: ${to}`), { code: "EEXIST", errno: -17, path: to });
  renameSync(from, to);
}

/** Folders beyond the split would count. */
function removeFolders({ split }: Inventory, mender: Mender): void {
  for (const directory of splitDirectories)
    for (const { name } of entriesOf(directory))
      if (folderName.test(name) && Number(name) >= split)
        mender.finding(`${directory}/${name} is a folder too many`, () => rmdirSync(`${directory}/${name}`));
}
