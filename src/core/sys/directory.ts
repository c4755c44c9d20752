/**
 * Directories with very many files: their names as bytes, and what stat(2) says of each, without making an object for
 * one. Half the time of node:fs, and a tenth of the memory.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { checked } from "./libc.ts";
import { asPath } from "./path.ts";

const { i32, u32, ptr: pointer, i64, u64 } = FFIType;

function open() {
  return dlopen("libc.so.6", {
    getdents64: { args: [i32, pointer, u64], returns: i64 },
    statx: { args: [i32, pointer, i32, u32, pointer], returns: i32 },
  }).symbols;
}

let loaded: ReturnType<typeof open> | undefined;

/** A file as it is found. Its name is `bytes` from `start` to `end`, until the next is asked for. */
export interface Found {
  bytes: Buffer;
  start: number;
  end: number;
  /** Bytes. */
  size: number;
  /** When it was last changed, in whole seconds. */
  modified: number;
}

const chunk = 65536;

/** getdents64(2): inode, offset, then the length of the entry, its type, its name and a NUL. */
const [lengthAt, nameAt] = [16, 19];

/** statx(2): what is asked for, and where it is. */
const [modifiedAndSize, sizeAt, modifiedAt] = [0x240, 40, 112];

/**
 * The files of a directory whose names do not begin with a dot, in the directory's order. One that cannot be looked at
 * is left out: somebody may just have removed it.
 * @throws a SystemError where the directory cannot be read
 */
export function* filesIn(path: Buffer): Generator<Found> {
  loaded ??= open();
  const { getdents64, statx } = loaded;
  const bytes = Buffer.allocUnsafeSlow(chunk);
  const entries = new DataView(bytes.buffer);
  const status = new DataView(new ArrayBuffer(256));
  const found: Found = { bytes, start: 0, end: 0, size: 0, modified: 0 };
  const fd = openSync(asPath(path), "r");
  try {
    const [first, answer] = [ptr(bytes), ptr(status)];
    for (;;) {
      const length = checked("getdents64", Number(getdents64(fd, first, chunk)));
      if (length === 0) return;
      for (let entry = 0, next = 0; entry < length; entry = next) {
        next = entry + entries.getUint16(entry + lengthAt, true);
        const start = entry + nameAt;
        if (bytes[start] === dot || statx(fd, first + start, 0, modifiedAndSize, answer) !== 0) continue;
        found.start = start;
        // The NUL is one of the last eight bytes; what follows it is anything.
        found.end = Math.max(start, next - 8);
        while (bytes[found.end] !== 0) found.end++;
        found.size = wordsAt(status, sizeAt);
        found.modified = wordsAt(status, modifiedAt);
        yield found;
      }
    }
  } finally {
    closeSync(fd);
  }
}

const dot = 46;

/** A number of 64 bits with a sign, as exact as a double is. */
function wordsAt(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}
