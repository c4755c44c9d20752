/**
 * Maildirs (maildir(5)) for a process that has something else to do meanwhile: deliveries by the steps and barriers of
 * deliver.ts, and messages as other readers leave them.
 */
import { constants } from "node:fs";
import { type FileHandle, link, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { isSystemError } from "../exit.ts";
import { syncDirectory } from "../sys/durable-async.ts";

export type Folder = "new" | "cur";

/** A path below a directory, whatever bytes either has. */
export function below(directory: Buffer, ...names: readonly (Buffer | string)[]): Buffer {
  const slash = Buffer.from("/");
  return Buffer.concat([directory, ...names.flatMap((name) => [slash, Buffer.from(name as string)])]);
}

/**
 * Delivers a message under a name that is unique for all time. Returns when it is durable in `new`. Whatever fails
 * before that, nothing is left in `tmp`; where the last barrier fails, the message may be there and come again.
 */
export async function deliver(maildir: Buffer, name: string, pieces: AsyncIterable<Buffer>): Promise<void> {
  const temporary = below(maildir, "tmp", name);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(temporary, flags, 0o644);
  try {
    try {
      for await (const piece of pieces) await writeAll(file, piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, below(maildir, "new", name));
    await syncDirectory(below(maildir, "new"));
  } finally {
    // What can not be removed now, readers remove after 36 hours.
    await ifThere(unlink(temporary), "EIO", "EROFS", "EACCES", "EPERM");
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
}

const chunk = 65536;

/** What there is to read, in pieces that stay valid. */
export async function* piecesFrom(file: FileHandle): AsyncGenerator<Buffer, void> {
  for (;;) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunk), 0, chunk, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** A file in `new` or `cur`. */
export interface Found {
  folder: Folder;
  name: Buffer;
  modified: Date;
  size: number;
}

const dot = 46;

/** The names in a folder that do not begin with a dot. */
export async function namesIn(maildir: Buffer, folder: Folder): Promise<Buffer[]> {
  const names = await readdir(below(maildir, folder), { encoding: "buffer" });
  return names.filter((name) => name[0] !== dot);
}

/** What is under those names, the oldest first; those of the same time by name. What is gone meanwhile is left out. */
export async function lookAt(maildir: Buffer, folder: Folder, names: readonly Buffer[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of names) {
    const status = await ifThere(stat(below(maildir, folder, name)));
    if (status?.isFile() === true) found.push({ folder, name, modified: status.mtime, size: status.size });
  }
  return found.sort(byAge);
}

/** The oldest first; those of the same time by name. */
export const byAge = (one: Found, other: Found): number =>
  one.modified.getTime() - other.modified.getTime() || Buffer.compare(one.name, other.name);

/** Gives a message another folder or name, durably. */
export async function move(
  maildir: Buffer,
  from: Pick<Found, "folder" | "name">,
  to: typeof from,
): Promise<void> {
  await rename(below(maildir, from.folder, from.name), below(maildir, to.folder, to.name));
  await syncDirectory(below(maildir, to.folder));
  if (from.folder !== to.folder) await syncDirectory(below(maildir, from.folder));
}

/** Removes a message, durably. */
export async function removeMessage(
  maildir: Buffer,
  { folder, name }: Pick<Found, "folder" | "name">,
): Promise<void> {
  await unlink(below(maildir, folder, name));
  await syncDirectory(below(maildir, folder));
}

/** The result; undefined where there is no such file, or where the call failed in one of the other ways. */
async function ifThere<Result>(
  call: Promise<Result>,
  ...others: readonly string[]
): Promise<Result | undefined> {
  try {
    return await call;
  } catch (failure) {
    if (isSystemError(failure) && ["ENOENT", ...others].includes(failure.code)) return undefined;
    throw failure;
  }
}
