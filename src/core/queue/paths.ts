/**
 * Every path of a queued message, said once. `mess`, `info`, `local` and `remote` are split into numbered folders; how
 * many is counted from the folders that are there (23 in a queue of our own), never assumed.
 */
import { readdirSync } from "node:fs";
import { inHome } from "../sys/home.ts";

/** Directories of the queue that hold a file per message. */
export type QueueDirectory = SplitDirectory | "pid" | "intd" | "todo" | "bounce" | "hold";

/** Those that are split into folders. */
export type SplitDirectory = "mess" | "info" | "local" | "remote";

const splitDirectories: ReadonlySet<QueueDirectory> = new Set(["mess", "info", "local", "remote"]);

/** The split of a queue made by us. */
export const defaultSplit = 23;

/** Path of the queue itself. */
export const queueRoot = (): string => inHome("queue");

let counted: number | undefined;

/** In how many folders the queue is split. Without any, it throws ENOENT, as for a missing mess. */
export function queueSplit(): number {
  if (counted !== undefined) return counted;
  const mess = `${queueRoot()}/mess`;
  let folders = 0;
  for (const name of readdirSync(mess)) if (isNumber(name)) folders++;
  if (folders === 0) throw Object.assign(new Error(`ENOENT: no folders in ${mess}`), { code: "ENOENT" });
  counted = folders;
  return folders;
}

function isNumber(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const character = name.charCodeAt(index);
    if (character < 48 || character > 57) return false;
  }
  return name !== "";
}

/** Path of a message's file relative to the queue: `mess/7/30`, `todo/30`. */
export function relativePath(directory: QueueDirectory, id: number | bigint): string {
  if (!splitDirectories.has(directory)) return `${directory}/${id}`;
  const split = queueSplit();
  // Numbers of usual size are divided faster than large ones.
  const folder = id <= Number.MAX_SAFE_INTEGER ? Number(id) % split : BigInt(id) % BigInt(split);
  return `${directory}/${folder}/${id}`;
}

/** Path of a message's file. */
export function queuePath(directory: QueueDirectory, id: number | bigint): string {
  return `${queueRoot()}/${relativePath(directory, id)}`;
}
