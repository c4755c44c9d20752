import { expect, test } from "bun:test";
import fc from "fast-check";
import { CdbMaker, cdbAll, cdbFind, cdbHash, cdbRecords, type Fetch } from "../../../src/core/bytes/cdb.ts";

/** Reads a database that is in memory. */
function cdbBytes(database: Buffer): Fetch {
  return (position, length) => {
    if (position + length > database.length) throw new RangeError("cdb ends too early");
    return database.subarray(position, position + length);
  };
}

type Pair = readonly [Uint8Array, Uint8Array];

function make(pairs: readonly Pair[]): Buffer {
  const maker = new CdbMaker();
  const records = pairs.map(([key, data]) => maker.add(key, data));
  const tables = [...maker.tables()];
  return Buffer.concat([maker.header(), ...records, ...tables]);
}

const bytes = fc.uint8Array({ maxLength: 12 });
const pairs = fc.array(fc.tuple(bytes, bytes), { maxLength: 60 });

test("what was added is found, the first of equal keys; nothing else is", () => {
  fc.assert(
    fc.property(pairs, bytes, (all, other) => {
      const database = cdbBytes(make(all));
      const first = new Map<string, Uint8Array>();
      for (const [key, data] of all) {
        const name = Buffer.from(key).toString("hex");
        if (!first.has(name)) first.set(name, data);
      }
      for (const key of [...all.map(([key]) => key), other]) {
        const expected = first.get(Buffer.from(key).toString("hex"));
        expect(cdbFind(database, key)).toEqual(expected && Buffer.from(expected));
      }
    }),
    { numRuns: 60 },
  );
});

test("all records come in their order, and all those of a key", () => {
  fc.assert(
    fc.property(pairs, (all) => {
      const database = cdbBytes(make(all));
      const wanted = all.map((pair) => pair.map((part) => Buffer.from(part)));
      expect([...cdbRecords(database)].map(([key, data]) => [key, data])).toEqual(wanted);
      for (const [key] of wanted) {
        const same = wanted.filter(([other]) => key !== undefined && other?.equals(key));
        expect([...cdbAll(database, key ?? Buffer.alloc(0))]).toEqual(
          same.map(([, data = Buffer.alloc(0)]) => data),
        );
      }
    }),
    { numRuns: 60 },
  );
});

test("keys that share a table, and its last slot, are all found", () => {
  const keys = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`k${index}`));
  const crowded = keys.filter((key) => cdbHash(key) % 256 === 7);
  expect(crowded.length).toBeGreaterThan(40);
  const database = cdbBytes(make(crowded.map((key) => [key, key])));
  for (const key of crowded) expect(cdbFind(database, key)).toEqual(key);
});

test("a database cut anywhere answers rightly or throws", () => {
  const whole = make([
    [Buffer.from("a"), Buffer.from("one")],
    [Buffer.from("bc"), Buffer.from("two")],
  ]);
  expect(whole.length).toBe(2048 + 2 * 8 + 3 + 6 + 4 * 8);
  for (let length = 0; length < whole.length; length++) {
    let found: Buffer | undefined;
    try {
      found = cdbFind(cdbBytes(whole.subarray(0, length)), Buffer.from("bc"));
    } catch (failure) {
      expect(failure).toBeInstanceOf(RangeError);
      continue;
    }
    expect(found?.toString()).toBe("two");
  }
});

test("tables full of other entries end the search", () => {
  const database = make([[Buffer.from("a"), Buffer.alloc(0)]]);
  const table = (cdbHash(Buffer.from("a")) % 256) * 8;
  const position = database.readUInt32LE(table);
  // Fill the free slot, so that no empty one stops the search for a key with another hash.
  for (const slot of [0, 1]) {
    database.writeUInt32LE(12345, position + slot * 8);
    database.writeUInt32LE(2048, position + slot * 8 + 4);
  }
  expect(cdbFind(cdbBytes(database), Buffer.from("a"))).toBeUndefined();
});
