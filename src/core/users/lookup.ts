/** Who an address is delivered to and how: users/cdb, and the records that it and qmail-getpw give (qmail-users(5)). */
import { readFileSync, statSync } from "node:fs";
import { cdbFind } from "../bytes/cdb.ts";
import { leadingNumber, splitAt } from "../bytes/text.ts";
import { CdbDamaged, CdbFile } from "../control/cdbfile.ts";
import { isSystemError } from "../exit.ts";
import { inHome } from "../sys/home.ts";
import { Kept } from "../sys/kept.ts";
import { exactKey, wildcardsKey } from "./assign.ts";

/** users/cdb lacks the record of its wildcards: it was not made by qmail-newu, or is damaged. */
export class UsersDamaged extends Error {}

/** The user who gets an address's mail, and the .qmail file that says how: home/.qmail`dash``extension`. */
export interface Assignment {
  user: Buffer;
  uid: number;
  gid: number;
  home: Buffer;
  dash: Buffer;
  extension: Buffer;
}

let kept: Kept<Pick<CdbFile, "find">> | undefined;

/** A file up to this size is kept in memory, in bytes. */
const mostKept = 16 << 20;

/** From now on users/cdb is read again only if it is not the same file any more. For programs that stay. */
export function keepUsers(): void {
  kept ??= new Kept();
}

/**
 * The record for an address in users/cdb; undefined where there is no such file or no such record. The file is opened
 * or looked at anew each time, so that what qmail-newu moved into place counts at once. Throws where it can not be read.
 */
export function findRecord(local: Buffer): Buffer | undefined {
  const path = inHome("users/cdb");
  if (kept === undefined) return findIn(path, local);
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return undefined;
  if (status.size > mostKept) return findIn(path, local);
  const table = kept.of(status, () => inMemory(readFileSync(path)));
  return search(table, local);
}

function inMemory(table: Buffer): Pick<CdbFile, "find"> {
  const fetch = (position: number, length: number): Buffer => {
    if (position + length > table.length) throw new CdbDamaged("cdb file ends too early");
    return table.subarray(position, position + length);
  };
  return { find: (key) => cdbFind(fetch, key) };
}

function findIn(path: string, local: Buffer): Buffer | undefined {
  let file: CdbFile;
  try {
    file = new CdbFile(path);
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
  try {
    return search(file, local);
  } finally {
    file.close();
  }
}

/** The address itself; then the longest beginning of it that is a wildcard, whose record the rest completes. */
function search(file: Pick<CdbFile, "find">, local: Buffer): Buffer | undefined {
  const wildcards = file.find(wildcardsKey);
  if (wildcards === undefined) throw new UsersDamaged("users/cdb has no list of wildcards");
  const key = exactKey(local);
  const exact = file.find(key);
  if (exact !== undefined) return Buffer.concat([exact, Buffer.of(0)]);
  for (let length = local.length; length >= 0; length--) {
    // The key of the empty wildcard is the exclamation mark alone, and its last byte need not be in the list.
    if (length > 0 && !wildcards.includes(key[length] ?? 0)) continue;
    const record = file.find(key.subarray(0, length + 1));
    if (record !== undefined) return Buffer.concat([record, local.subarray(length), Buffer.of(0)]);
  }
  return undefined;
}

/** Reads user, uid, gid, home, dash and extension, each with a NUL behind it; undefined if one is missing. */
export function parseRecord(record: Buffer): Assignment | undefined {
  const ended = record.subarray(0, record.lastIndexOf(0) + 1);
  const [user, uid, gid, home, dash, extension] = splitAt(ended, 0);
  if (!user || !uid || !gid || !home || !dash || !extension) return undefined;
  return { user, uid: idOf(uid), gid: idOf(gid), home, dash, extension };
}

/** Leading digits count; without any it is 0, and so nobody's mail. Ids have 32 bits. */
const idOf = (field: Buffer): number => (leadingNumber(field) ?? 0) % 2 ** 32;
