/** Who is logged in where: the records of utmp(5), in glibc's layout. */
import { readFileSync } from "node:fs";
import { isSystemError } from "../exit.ts";

const path = "/var/run/utmp";
const [typeOffset, lineOffset, userOffset] = [0, 8, 44];
const userProcess = 7;

/** Bytes that a record has for the user's name, and for the terminal's. */
export const nameSize = 32;

/** Size of a record: the offsets are the same everywhere, the times behind them are not. */
export const recordSize = process.arch === "arm64" ? 400 : 384;

/** The terminals on which `user` is logged in, as names below /dev. */
export function terminalsOf(user: Buffer): Buffer[] {
  return terminalsIn(records(), user);
}

/** The terminals that utmp records have for a user. An incomplete record at the end does not count. */
export function terminalsIn(utmp: Buffer, user: Buffer): Buffer[] {
  const terminals: Buffer[] = [];
  for (let start = 0; start + recordSize <= utmp.length; start += recordSize) {
    if (utmp.readInt16LE(start + typeOffset) !== userProcess) continue;
    if (nameAt(utmp, start + userOffset).equals(user)) terminals.push(nameAt(utmp, start + lineOffset));
  }
  return terminals;
}

function records(): Buffer {
  try {
    return readFileSync(path);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return Buffer.alloc(0);
  }
}

/** A name that a NUL ends, if it is not as long as it can be. */
function nameAt(utmp: Buffer, start: number): Buffer {
  const name = utmp.subarray(start, start + nameSize);
  const end = name.indexOf(0);
  return end < 0 ? name : name.subarray(0, end);
}
