/** The set of held messages: a set, and small. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { IdSet } from "../../../src/core/queue/id-set.ts";

test("it is a set, whatever is added and deleted", () => {
  const id = fc.oneof(fc.bigInt({ min: 1n, max: 40n }), fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }));
  const step = fc.record({ id, adds: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const [set, model] = [new IdSet(), new Set<bigint>()];
      for (const { id, adds } of steps) {
        if (adds) set.add(id);
        else set.delete(id);
        if (adds) model.add(id);
        else model.delete(id);
        expect(set.has(id)).toBe(adds);
      }
      expect(set.size).toBe(model.size);
      for (const { id } of steps) expect(set.has(id)).toBe(model.has(id));
    }),
  );
});

test("numbers in a row, and in steps, as inode numbers come", () => {
  for (const stride of [1n, 2n, 64n, 256n, 2n ** 32n]) {
    const set = new IdSet();
    for (let index = 1n; index <= 20_000n; index++) set.add(index * stride);
    for (let index = 1n; index <= 20_000n; index += 3n) set.delete(index * stride);
    let found = 0;
    for (let index = 1n; index <= 20_000n; index++) if (set.has(index * stride)) found++;
    expect([stride, found, set.size]).toEqual([stride, 13_333, 13_333]);
  }
});

test("100,000 numbers take less than 40 bytes each", () => {
  const set = new IdSet();
  Bun.gc(true);
  const before = process.memoryUsage().arrayBuffers;
  for (let index = 1n; index <= 100_000n; index++) set.add(2_000_000n + index);
  Bun.gc(true);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000);
  expect(set.size).toBe(100_000);
});
