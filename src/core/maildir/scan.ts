/** Reading a Maildir (maildir(5)): its messages in the order they came, and what is left over in its tmp. */
import { readdirSync, statSync, unlinkSync } from "node:fs";
import { isSystemError, type SystemError } from "../exit.ts";
import { errorText } from "../sys/errors.ts";

/** A message: its path below the Maildir, as bytes (`new/U`), when it was last changed, in seconds, and its size. */
export interface MaildirMessage {
  path: Buffer;
  modified: number;
  size: number;
}

/** A folder of a Maildir that can not be read. Its message is the reason as the programs have always told it. */
export class UnreadableFolder extends Error {
  constructor(folder: string, cause: SystemError) {
    super(`unable to scan $MAILDIR/${folder}: ${errorText(cause.code)}`, { cause });
  }
}

/** Files in tmp that nobody touched for so long (36 hours, in seconds) are left of a delivery that died. */
const ossified = 129_600;
const dot = 46;

const now = (): number => Math.floor(Date.now() / 1000);

/** A path below a Maildir; without a slash where the Maildir is the current directory, the empty path. */
export function inMaildir(maildir: Uint8Array, path: Uint8Array | string): Buffer {
  const below = Buffer.from(path as string);
  return maildir.length === 0 ? below : Buffer.concat([maildir, Buffer.from("/"), below]);
}

/** Removes what is left over in tmp. What can not be looked at or removed stays. */
export function cleanTemporary(maildir: Uint8Array, time = now()): void {
  for (const path of quietly(() => namesIn(maildir, "tmp")) ?? [])
    quietly(() => {
      const full = inMaildir(maildir, path);
      if (time > Math.floor(statSync(full).atimeMs / 1000) + ossified) unlinkSync(full);
    });
}

/**
 * The messages in the folders, `new`, `cur` or both, the oldest first; those of the same second by name. One that
 * came in this very second is left for the next time, because others of that second may still come.
 * @throws UnreadableFolder
 */
export function scanMaildir(maildir: Uint8Array, folders: readonly string[], time = now()): MaildirMessage[] {
  const messages: MaildirMessage[] = [];
  for (const folder of folders)
    for (const path of readable(folder, () => namesIn(maildir, folder))) {
      const stat = quietly(() => statSync(inMaildir(maildir, path)));
      const modified = Math.floor((stat?.mtimeMs ?? Number.POSITIVE_INFINITY) / 1000);
      if (stat && modified < time) messages.push({ path, modified, size: stat.size });
    }
  return messages.sort((one, other) => one.modified - other.modified || Buffer.compare(one.path, other.path));
}

function readable<T>(folder: string, list: () => T): T {
  try {
    return list();
  } catch (failure) {
    throw isSystemError(failure) ? new UnreadableFolder(folder, failure) : failure;
  }
}

/** The names in a folder that do not begin with a dot, the folder before each. */
function namesIn(maildir: Uint8Array, folder: string): Buffer[] {
  const prefix = Buffer.from(`${folder}/`);
  return readdirSync(inMaildir(maildir, folder), { encoding: "buffer" })
    .filter((name) => name[0] !== dot)
    .map((name) => Buffer.concat([prefix, name]));
}

/** The result, or undefined if a system call failed: another reader of the Maildir was faster. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}
