/** Loops are seen wherever the pieces of a message happen to end. */
import { expect, test } from "bun:test";
import { headerHas } from "../../../src/core/delivery/dotqmail-home.ts";

const wanted = "Delivered-To: joe@h\n";
const rows: readonly (readonly [string, string, boolean])[] = [
  ["nothing", "", false],
  ["first line", `${wanted}A: b\n\n`, true],
  ["last line", `A: b\n${wanted}`, true],
  ["without line feed", wanted.slice(0, -1), false],
  ["behind the header", `A: b\n\n${wanted}`, false],
  ["behind a longer line", `${wanted.slice(0, -1)}x\n${wanted}`, true],
  ["part of a longer line", `X: y ${wanted}`, false],
  ["other letters", wanted.toLowerCase(), false],
  ["behind a very long line", `X: ${"y".repeat(1000)}\n${wanted}`, true],
];
for (const [name, message, expected] of rows) {
  test(`loop: ${name}`, () => {
    const whole = Buffer.from(message);
    for (let size = 1; size <= 64; size++) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
        whole.subarray(index * size, (index + 1) * size),
      );
      expect(headerHas(pieces, Buffer.from(wanted))).toBe(expected);
    }
  });
}
