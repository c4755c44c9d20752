/** Everything in the queue's directories, read for a repair; the current directory is the queue. */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { idOf } from "./disk.ts";
import { defaultSplit, type QueueDirectory, type SplitDirectory } from "./paths.ts";

export const splitDirectories: readonly SplitDirectory[] = ["mess", "info", "local", "remote"];

/**
 * The directories whose files belong to a message, in the order in which files leave their old number: without info
 * nothing is done with a message, and mess says what its number is.
 */
export const messageDirectories = [
  "info",
  "local",
  "remote",
  "bounce",
  "hold",
  "intd",
  "todo",
  "mess",
] as const satisfies readonly QueueDirectory[];

/** The order in which they arrive where they belong: with info, but without todo, a message has to be complete. */
export const arrivalOrder = ["mess", "hold", "todo", "intd", "bounce", "local", "remote", "info"] as const;

export type MessageDirectory = (typeof messageDirectories)[number];

/** The name of a folder of a directory that is split. */
export const folderName = /^(0|[1-9]\d{0,4})$/;

/** Ends the name of a file on its way to a new number. */
export const underWay = ".mended";

/** A message as its files' names have it. Paths are relative to the queue. */
export interface Stored {
  /** The number in the names. */
  id: bigint;
  /** The number that it has to have: that of its file in mess. undefined: it has none there. */
  inode: bigint | undefined;
  /** Where its files are now. */
  files: Map<MessageDirectory, string>;
}

/** All of it. */
export interface Inventory {
  /** In how many folders the queue is meant to be split. */
  split: number;
  messages: Map<bigint, Stored>;
  /** Messages that an interrupted repair has set off to a new number. */
  moving: Map<bigint, Stored>;
  /** What has no business there. */
  strange: string[];
}

/** Reads it. `split`: in how many folders it is meant to be split. */
export function takeInventory(split: number): Inventory {
  const inventory: Inventory = { split, messages: new Map(), moving: new Map(), strange: [] };
  for (const directory of messageDirectories)
    for (const folder of foldersOf(directory, inventory)) readFolder(inventory, directory, folder);
  return inventory;
}

/** By the highest folder that two of the four have: one that is missing, or one too many, must not make all others wrong. */
export function splitOf(): number {
  const counts = new Map<number, number>();
  for (const directory of splitDirectories)
    for (const { name } of entriesOf(directory))
      if (folderName.test(name)) counts.set(Number(name), (counts.get(Number(name)) ?? 0) + 1);
  const usual = [...counts].filter(([, count]) => count > 1).map(([number]) => number);
  return usual.length === 0 ? defaultSplit : Math.max(...usual) + 1;
}

function foldersOf(directory: MessageDirectory, { strange }: Inventory): string[] {
  if (!splitDirectories.some((split) => split === directory)) return [directory];
  return entriesOf(directory).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory() && folderName.test(entry.name)) return [path];
    strange.push(path);
    return [];
  });
}

function readFolder(inventory: Inventory, directory: MessageDirectory, folder: string): void {
  for (const entry of entriesOf(folder)) {
    const path = `${folder}/${entry.name}`;
    const moving = entry.name.endsWith(underWay);
    const id = idOf(moving ? entry.name.slice(0, -underWay.length) : entry.name);
    if (!entry.isFile() || id === undefined) inventory.strange.push(path);
    else store(inventory, moving ? inventory.moving : inventory.messages, directory, id, path);
  }
}

/** Of two files for the same message the one in the right folder counts. */
function store(
  { strange, split }: Inventory,
  messages: Map<bigint, Stored>,
  directory: MessageDirectory,
  id: bigint,
  path: string,
): void {
  const message = messages.get(id) ?? { id, inode: undefined, files: new Map() };
  messages.set(id, message);
  const other = message.files.get(directory);
  if (other?.startsWith(placeOf(directory, id, split))) {
    strange.push(path);
    return;
  }
  if (other !== undefined) strange.push(other);
  message.files.set(directory, path);
  if (directory === "mess") message.inode = BigInt.asUintN(64, lstatSync(path, { bigint: true }).ino);
}

/** Where a message's file belongs. */
export function placeOf(directory: MessageDirectory, id: bigint, split: number): string {
  return splitDirectories.some((name) => name === directory)
    ? `${directory}/${id % BigInt(split)}/${id}`
    : `${directory}/${id}`;
}

/** What is in a directory, sorted; nothing where there is none. */
export function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((left, right) =>
      left.name < right.name ? -1 : 1,
    );
  } catch (failure) {
    if (isSystemError(failure, "ENOENT") || isSystemError(failure, "ENOTDIR")) return [];
    throw failure;
  }
}
