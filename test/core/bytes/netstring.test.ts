import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  BadNetstring,
  NetstringReader,
  netstringEnd,
  netstringHead,
  netstringsIn,
} from "../../../src/core/bytes/netstring.ts";

const content = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const encode = (contents: readonly Buffer[]): Buffer =>
  Buffer.concat(contents.flatMap((bytes) => [netstringHead(bytes.length), bytes, netstringEnd]));

test("the contents are the same however their bytes arrive", () => {
  fc.assert(
    fc.property(fc.array(content, { maxLength: 5 }), fc.integer({ min: 1, max: 30 }), (contents, size) => {
      const bytes = encode(contents);
      expect(netstringsIn(bytes)).toEqual(contents);
      const reader = new NetstringReader(40);
      const found: Buffer[] = [];
      for (let start = 0; start < bytes.length; start += size) {
        // The reader must not keep the caller's buffer.
        const piece = Buffer.from(bytes.subarray(start, start + size));
        found.push(...reader.feed(piece));
        piece.fill(120);
      }
      expect(found).toEqual(contents);
      expect(reader.atBoundary).toBe(true);
    }),
  );
});

test.each([
  "x",
  ":,",
  "3:abcd",
  "3,abc,",
  "-1:,",
  "1x:a,",
  "41:",
  "99999999999:",
  "0000000000000000000000:,",
])("no netstring, or too long: %s", (text) => {
  expect(() => [...new NetstringReader(40).feed(Buffer.from(text))]).toThrow(BadNetstring);
});

test.each(["x", ":,", "3:abc", "3:abcd", "5:abc,", "3:abc,x", "99999999999:a,"])(
  "not netstrings to the end: %s",
  (text) => {
    expect(() => netstringsIn(Buffer.from(text))).toThrow(BadNetstring);
  },
);

test("one that is not complete is not at its boundary", () => {
  const reader = new NetstringReader(40);
  expect([...reader.feed(Buffer.from("3:ab"))]).toEqual([]);
  expect(reader.atBoundary).toBe(false);
});
