/** Words of memory that processes of one user share through a file, and waits for them (mmap(2), futex(2)). */
import { type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { libc } from "./libc.ts";

/** futex(2) of this architecture, and its two operations. */
const futex = process.arch === "arm64" ? 98 : 202;
const [waitOperation, wakeOperation] = [0, 1];
const everybody = 0x7fff_ffff;

const readAndWrite = 3;
const shared = 1;
const bytesPerWord = 4;

/** Where in this process the words of a file are; once there, they stay, also when the file is gone. */
const places = new Map<string, Pointer>();

/**
 * The address of the first words of a file, for wordsAt() in any thread. The file is made where it is missing. Undefined
 * where there can be no such file, or it is another user's: it is there to save time, and nothing may depend on it.
 */
export function sharedWords(path: string, count: number): Pointer | undefined {
  const known = places.get(path);
  if (known !== undefined) return known;
  try {
    const place = mapped(path, count * bytesPerWord);
    if (place !== undefined) places.set(path, place);
    return place;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}

function mapped(path: string, size: number): Pointer | undefined {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openSync(path, flags, 0o600);
  try {
    const state = fstatSync(fd);
    if (!state.isFile() || state.uid !== process.geteuid?.()) return undefined;
    // It only ever grows: a shorter file would end every process that looks behind its end.
    if (state.size < size) ftruncateSync(fd, size);
    const place = libc().mmap(null, size, readAndWrite, shared, fd, 0);
    // MAP_FAILED is -1, which is no address, and comes as a bigint.
    return typeof place === "number" ? place : undefined;
  } finally {
    closeSync(fd);
  }
}

/** The words at an address that sharedWords() gave. */
export const wordsAt = (place: Pointer, count: number): Int32Array =>
  new Int32Array(toArrayBuffer(place, 0, count * bytesPerWord));

/** Returns when a word may have another value than this one, at the latest after so many milliseconds. */
export function awaitChange(words: Int32Array, word: number, value: number, milliseconds: number): void {
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.round((milliseconds - 1000 * seconds) * 1e6);
  const time = new BigInt64Array([BigInt(seconds), BigInt(nanoseconds)]);
  // Whatever ends it, the caller looks again.
  libc().syscall(futex, ptr(words, word * bytesPerWord), waitOperation, value, ptr(time), null, 0);
}

/** Wakes everybody who waits for a word. */
export function wakeAll(words: Int32Array, word: number): void {
  libc().syscall(futex, ptr(words, word * bytesPerWord), wakeOperation, everybody, null, null, 0);
}
