/** Barriers as in durable.ts, for a process that has something else to do meanwhile. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { isSystemError } from "../exit.ts";
import { mustTakeWrites } from "./takes-writes.ts";

/** Makes the names in a directory durable (durable.ts). */
export async function syncDirectory(path: string | Buffer): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } catch (failure) {
    if (!isSystemError(failure, "EINVAL")) throw failure;
  } finally {
    await directory.close();
  }
  mustTakeWrites(path);
}
