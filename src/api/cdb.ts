/**
 * Constant databases, as tcprules, qmail-newu and qmail-newmrh make them: `import { Cdb, writeCdb } from "qmail-ts/cdb"`.
 * A cdb maps keys to data, bytes both; a look-up takes two reads of the disk; a file has at most 4 GiB.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { CdbMaker } from "../core/bytes/cdb.ts";
import { CdbDamaged, CdbFile } from "../core/control/cdbfile.ts";
import { syncDirectory } from "../core/sys/durable-async.ts";
import type { Bytes } from "./message.ts";
import { bufferOf } from "./pieces.ts";

export type { Bytes };

/** The file is no cdb, or was cut short. */
export class CdbError extends Error {
  override readonly name = "CdbError";
}

/** A cdb file that is open for reading. It stays the one that it was when writeCdb replaces it. */
export class Cdb {
  readonly #file: CdbFile;
  readonly #path: string;

  private constructor(path: string) {
    this.#file = new CdbFile(path);
    this.#path = path;
  }

  /** Opens a file; whoever opened it closes it. @throws the system's error, such as ENOENT */
  static open(path: string): Cdb {
    return new Cdb(path);
  }

  /** The data of the first record with this key, or undefined. @throws CdbError, or the system's error */
  get(key: Bytes): Uint8Array | undefined {
    return this.#reading(() => this.#file.find(bufferOf(key)));
  }

  /** The data of every record with this key, in the order in which they were written. @throws as get() */
  getAll(key: Bytes): Uint8Array[] {
    return this.#reading(() => [...this.#file.all(bufferOf(key))]);
  }

  /** Every record, in the order in which they were written. @throws as get() */
  *records(): Generator<[key: Uint8Array, data: Uint8Array], void> {
    const records = this.#file.records();
    for (;;) {
      const next = this.#reading(() => records.next());
      if (next.done === true) return;
      yield [next.value[0], next.value[1]];
    }
  }

  close(): void {
    this.#file.close();
  }

  #reading<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (cause) {
      if (!(cause instanceof CdbDamaged)) throw cause;
      throw new CdbError(`${this.#path}: ${cause.message}`, { cause });
    }
  }
}

/** A record: its key and its data. Keys may come more than once. */
export type CdbRecord = readonly [key: Bytes, data: Bytes];

/** Room that is filled before it is written, in bytes. */
const block = 65536;

/**
 * Writes a cdb file, or replaces one. Readers meet the old file or the new one, and nothing between them; when the
 * promise is kept, the new one survives a power cut. Until then it has another name in the same directory; if anything
 * fails, it is removed, and the old file stays.
 *
 * @param mode permissions of the file, before the umask
 * @throws RangeError for more than 4 GiB, the system's error, or what the records throw
 */
export async function writeCdb(
  path: string,
  records: Iterable<CdbRecord> | AsyncIterable<CdbRecord>,
  { mode = 0o644 }: { mode?: number } = {},
): Promise<void> {
  const fresh = `${path}.${process.pid}.${randomBytes(6).toString("hex")}.tmp`;
  const file = await open(fresh, "wx", mode);
  try {
    try {
      await fill(file, records);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  } catch (failure) {
    await rm(fresh, { force: true });
    throw failure;
  }
  await syncDirectory(dirname(path));
}

async function fill(
  file: FileHandle,
  records: Iterable<CdbRecord> | AsyncIterable<CdbRecord>,
): Promise<void> {
  const maker = new CdbMaker();
  let waiting: Buffer[] = [Buffer.alloc(CdbMaker.headerSize)];
  let size = CdbMaker.headerSize;
  let position = 0;
  const flush = async (): Promise<void> => {
    position += await writeAt(file, Buffer.concat(waiting), position);
    waiting = [];
    size = 0;
  };
  const add = (piece: Buffer): Promise<void> | undefined => {
    waiting.push(piece);
    size += piece.length;
    return size < block ? undefined : flush();
  };
  for await (const [key, data] of records) await add(maker.add(bufferOf(key), bufferOf(data)));
  for (const table of maker.tables()) await add(table);
  await flush();
  await writeAt(file, maker.header(), 0);
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  return bytes.length;
}
