/** Lines of a log in pieces for syslog. */
import { expect, test } from "bun:test";
import { LineFolder } from "../../../src/core/bytes/fold.ts";

const a799 = "a".repeat(799);

/** Input; its pieces, `+` before those that continue a line. */
const rows: readonly (readonly [string, string[]])[] = [
  ["one\ntwo\n", ["one", "two"]],
  ["\n\none\n\n", ["one"]],
  ["\ttab \x7f\xe9\x00\n", ["?tab ???"]],
  [`${a799}\n`, [a799]],
  [`${a799}b\n`, [a799, "+b"]],
  [`${a799}${a799}c\nd\n`, [a799, `+${a799}`, "+c", "d"]],
  ["no line feed", ["no line feed"]],
  ["", []],
];
for (const [input, expected] of rows) {
  test(JSON.stringify(input.slice(0, 20)), () => {
    for (const size of [1, 5, 800, 4000]) {
      const folder = new LineFolder();
      const bytes = Buffer.from(input, "latin1");
      const pieces = [];
      for (let start = 0; start < bytes.length; start += size)
        pieces.push(...folder.push(bytes.subarray(start, start + size)));
      pieces.push(...folder.end());
      expect(pieces.map(({ text, continued }) => (continued ? `+${text}` : text))).toEqual(expected);
    }
  });
}
