/**
 * The constant database of cdb(5): 256 pairs of (position, slots) at the front, then the records, then the hash
 * tables they point to. All numbers are 32 bits, least significant byte first. Nothing here does I/O: the reader is
 * given a way to fetch bytes, the maker returns the bytes to write.
 */

const headerSize = 2048;
const pairSize = 8;
const tableCount = 256;
const largest = 0xffffffff;

/** Fetches exactly `length` bytes at `position`, or throws. */
export type Fetch = (position: number, length: number) => Buffer;

/** The hash of a key, 32 bits. */
export function cdbHash(key: Uint8Array): number {
  let hash = 5381;
  for (const byte of key) hash = (((hash << 5) + hash) ^ byte) >>> 0;
  return hash;
}

/** The data of the first record with this key, or undefined. A database cut short makes `fetch` throw. */
export function cdbFind(fetch: Fetch, key: Uint8Array): Buffer | undefined {
  for (const data of cdbAll(fetch, key)) return data;
  return undefined;
}

/** The data of every record with this key, in the order in which they were added. */
export function* cdbAll(fetch: Fetch, key: Uint8Array): Generator<Buffer> {
  const hash = cdbHash(key);
  const [table, slots] = pairAt(fetch, (hash % tableCount) * pairSize);
  for (let tried = 0, slot = (hash >>> 8) % slots; tried < slots; tried++, slot = (slot + 1) % slots) {
    const [slotHash, record] = pairAt(fetch, table + slot * pairSize);
    if (record === 0) return;
    if (slotHash !== hash) continue;
    const [keyLength, dataLength] = pairAt(fetch, record);
    if (keyLength !== key.length) continue;
    const start = record + pairSize;
    if (fetch(start, keyLength).equals(key)) yield fetch(start + keyLength, dataLength);
  }
}

/** Every record, in the order in which they were added. The records end where the first hash table begins. */
export function* cdbRecords(fetch: Fetch): Generator<readonly [key: Buffer, data: Buffer]> {
  const pairs = Array.from({ length: tableCount }, (_, index) => pairAt(fetch, index * pairSize));
  const end = Math.min(...pairs.filter(([, slots]) => slots > 0).map(([table]) => table));
  for (let position = headerSize; end < Number.POSITIVE_INFINITY && position < end; ) {
    const [keyLength, dataLength] = pairAt(fetch, position);
    const start = position + pairSize;
    yield [fetch(start, keyLength), fetch(start + keyLength, dataLength)];
    position = start + keyLength + dataLength;
  }
}

function pairAt(fetch: Fetch, position: number): [number, number] {
  const bytes = fetch(position, pairSize);
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
}

/** Makes a database: write headerSize bytes of anything, what add() returns, then tables; and header() at the front. */
export class CdbMaker {
  static readonly headerSize = headerSize;
  readonly #entries: number[][] = Array.from({ length: tableCount }, () => []);
  readonly #header = Buffer.alloc(headerSize);
  #position = headerSize;

  /** The bytes of one more record. Of records with equal keys, a reader finds the first. */
  add(key: Uint8Array, data: Uint8Array): Buffer {
    const hash = cdbHash(key);
    this.#entries[hash % tableCount]?.push(hash, this.#position);
    const record = Buffer.concat([pair(key.length, data.length), key, data]);
    this.#advance(record.length);
    return record;
  }

  /** The hash tables, one after the other; afterwards the header is known. */
  *tables(): Generator<Buffer> {
    for (const [index, entries] of this.#entries.entries()) {
      pair(this.#position, entries.length).copy(this.#header, index * pairSize);
      const table = hashTable(entries);
      this.#advance(table.length);
      yield table;
    }
  }

  /** What belongs at the front. */
  header(): Buffer {
    return this.#header;
  }

  #advance(length: number): void {
    this.#position += length;
    if (this.#position > largest) throw new RangeError("a cdb holds at most 4 GB");
  }
}

/** Twice as many slots as entries; an entry takes the first free one from its hash on. */
function hashTable(entries: readonly number[]): Buffer {
  const slots = entries.length;
  const table = Buffer.alloc(slots * pairSize);
  for (let index = 0; index < entries.length; index += 2) {
    const hash = entries[index] ?? 0;
    let slot = (hash >>> 8) % slots;
    while (table.readUInt32LE(slot * pairSize + 4) !== 0) slot = (slot + 1) % slots;
    pair(hash, entries[index + 1] ?? 0).copy(table, slot * pairSize);
  }
  return table;
}

function pair(first: number, second: number): Buffer {
  const bytes = Buffer.allocUnsafe(pairSize);
  bytes.writeUInt32LE(first, 0);
  bytes.writeUInt32LE(second, 4);
  return bytes;
}
