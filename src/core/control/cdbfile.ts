/** cdb files, read by position, never as a whole. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { cdbAll, cdbFind, cdbRecords } from "../bytes/cdb.ts";

/** The file is shorter than its own tables say. */
export class CdbDamaged extends Error {}

/** An open cdb file. Whoever opened it closes it. */
export class CdbFile {
  readonly #fd: number;
  readonly #size: number;
  readonly #fetcher = (position: number, length: number): Buffer => this.#fetch(position, length);

  /** Throws ENOENT and the like. */
  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#size = fstatSync(this.#fd).size;
  }

  /** The data of the first record with this key, or undefined. Throws CdbDamaged or a system error. */
  find(key: Uint8Array): Buffer | undefined {
    return cdbFind(this.#fetcher, key);
  }

  /** The data of all records with this key, in their order. */
  all(key: Uint8Array): Generator<Buffer> {
    return cdbAll(this.#fetcher, key);
  }

  /** All records, in their order. */
  records(): Generator<readonly [key: Buffer, data: Buffer]> {
    return cdbRecords(this.#fetcher);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** A length is believed only within the file's size, so that damage never asks for gigabytes of memory. */
  #fetch(position: number, length: number): Buffer {
    if (position + length > this.#size) throw new CdbDamaged("cdb file ends too early");
    const bytes = Buffer.allocUnsafe(length);
    for (let got = 0; got < length; ) {
      const more = readSync(this.#fd, bytes, got, length - got, position + got);
      if (more === 0) throw new CdbDamaged("cdb file was cut short");
      got += more;
    }
    return bytes;
  }
}
