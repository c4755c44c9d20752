/**
 * The system's accounts and groups, through libc, so that every source named in nsswitch.conf is asked. The
 * structures are read by the offsets of 64-bit glibc, which are the same on all its machines.
 */
import type { Pointer } from "bun:ffi";
import { isSystemError } from "../exit.ts";
import { errorName } from "./errors.ts";
import { byteAt, libc, ptr, systemError, zeroTerminated } from "./libc.ts";

/** An account, as getpwnam(3) tells it. Names and paths are bytes. */
export interface Account {
  name: Buffer;
  uid: number;
  gid: number;
  home: Buffer;
  shell: Buffer;
}

/** A group, as getgrnam(3) tells it. */
export interface Group {
  name: Buffer;
  gid: number;
}

type Libc = ReturnType<typeof libc>;

/** One of the get..._r calls, its key already given: the number it returns is an errno. */
type Call = (symbols: Libc, record: Pointer, strings: Pointer, size: bigint, found: Pointer) => number;

const recordSize = 128;
const smallest = 1024;
const largest = 1 << 20;

/** ERANGE, on every machine that Linux runs on. */
const tooLittleRoom = 34;

/** Offsets in struct passwd, struct group and struct spwd. */
const passwd = { name: 0, uid: 16, gid: 20, home: 32, shell: 40 };
const group = { name: 0, gid: 16 };
const shadow = { password: 8, expires: 56 };

/** What means "there is no such entry" when a source of accounts answers with an error (getpwnam(3)). */
const absent: ReadonlySet<string> = new Set(["ENOENT", "ESRCH", "EBADF", "EPERM"]);

/** The account of that name, or undefined. A source that can not answer now (ETIMEDOUT, EIO, ...) throws. */
export function accountByName(name: Uint8Array | string): Account | undefined {
  const key = zeroTerminated(name);
  return account("getpwnam", (symbols, ...rest) => symbols.getpwnam_r(ptr(key), ...rest));
}

/** The first account with that uid, or undefined. Throws as accountByName does. */
export function accountByUid(uid: number): Account | undefined {
  return account("getpwuid", (symbols, ...rest) => symbols.getpwuid_r(uid, ...rest));
}

/** The group of that name, or undefined. Throws as accountByName does. */
export function groupByName(name: Uint8Array | string): Group | undefined {
  const key = zeroTerminated(name);
  const entry = lookUp("getgrnam", (symbols, ...rest) => symbols.getgrnam_r(ptr(key), ...rest));
  return entry && { name: entry.text(group.name), gid: entry.number(group.gid) };
}

/** What shadow(5) says about an account: its hash, and the day (since 1970) on which it ends; -1: never. */
export interface Shadow {
  hash: Buffer;
  expires: number;
}

/** The shadow entry of an account; undefined without one, or without the right to see it. */
export function shadowByName(name: Uint8Array | string): Shadow | undefined {
  const key = zeroTerminated(name);
  try {
    const entry = lookUp("getspnam", (symbols, ...rest) => symbols.getspnam_r(ptr(key), ...rest));
    return entry && { hash: entry.text(shadow.password), expires: entry.number(shadow.expires) | 0 };
  } catch (failure) {
    if (isSystemError(failure, "EACCES")) return undefined;
    throw failure;
  }
}

function account(call: string, ask: Call): Account | undefined {
  const entry = lookUp(call, ask);
  return (
    entry && {
      name: entry.text(passwd.name),
      uid: entry.number(passwd.uid),
      gid: entry.number(passwd.gid),
      home: entry.text(passwd.home),
      shell: entry.text(passwd.shell),
    }
  );
}

/** Reads fields of a found structure. */
interface Entry {
  text: (offset: number) => Buffer;
  number: (offset: number) => number;
}

/** Asks with ever larger room for the strings. */
function lookUp(call: string, ask: Call): Entry | undefined {
  const record = Buffer.alloc(recordSize);
  const found = new BigUint64Array(1);
  for (let size = smallest; size <= largest; size *= 4) {
    const strings = Buffer.alloc(size);
    const result = ask(libc(), ptr(record), ptr(strings), BigInt(size), ptr(found));
    if (result === tooLittleRoom) continue;
    if (result !== 0 && !absent.has(errorName(result))) throw systemError(call, result);
    return result === 0 && found[0] !== 0n ? entryOf(record, strings) : undefined;
  }
  throw systemError(call, tooLittleRoom);
}

/** The strings lie in our buffer, or anywhere in the memory of the module that answered. */
function entryOf(record: Buffer, strings: Buffer): Entry {
  const base = ptr(strings);
  return {
    number: (offset) => record.readUInt32LE(offset),
    text: (offset) => {
      const address = Number(record.readBigUInt64LE(offset));
      const start = address - base;
      if (start >= 0 && start < strings.length) return strings.subarray(start, strings.indexOf(0, start));
      return address === 0 ? Buffer.alloc(0) : stringAt(address as Pointer);
    },
  };
}

function stringAt(address: Pointer): Buffer {
  const characters: number[] = [];
  for (let byte = byteAt(address, 0); byte !== 0; byte = byteAt(address, characters.length))
    characters.push(byte);
  return Buffer.from(characters);
}
