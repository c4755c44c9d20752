/** The grammar of an envelope, read in pieces of every size. */
import { expect, test } from "bun:test";
import { Exit } from "../../../src/core/exit.ts";
import { EnvelopeReader } from "../../../src/core/queue/envelope.ts";

const fits = "a".repeat(1002);
const long = `${fits}a`;

/** Input; the records that are kept, `undefined` where the envelope is not complete, or the exit code. */
const rows: readonly (readonly [string, string | number | undefined])[] = [
  ["Fa\0Tb\0\0", "Fa\0Tb\0"],
  ["Fa\0\0", "Fa\0"],
  ["F\0T\0\0", "F\0T\0"],
  ["Fa\0Tb\0\0Tignored\0", "Fa\0Tb\0"],
  [`F${fits}\0T${fits}\0\0`, `F${fits}\0T${fits}\0`],
  [`F${long}\0`, 11],
  [`Fa\0T${long}`, 11],
  ["", undefined],
  ["Fa", undefined],
  ["Fa\0", undefined],
  ["Fa\0Tb\0", undefined],
  ["\0", 91],
  ["Ta\0\0", 91],
  ["fa\0\0", 91],
  ["Fa\0Fb\0\0", 91],
];

function read(input: string, size: number): string | number | undefined {
  const reader = new EnvelopeReader();
  const bytes = Buffer.from(input);
  let kept = "";
  try {
    for (let start = 0; start < bytes.length && !reader.done; start += size) {
      const piece = bytes.subarray(start, start + size);
      kept += piece.toString("latin1", 0, reader.read(piece));
    }
  } catch (failure) {
    if (failure instanceof Exit) return failure.code;
    throw failure;
  }
  return reader.done ? kept : undefined;
}

for (const [input, expected] of rows) {
  test(JSON.stringify(input.slice(0, 24)), () => {
    for (const size of [1, 2, 3, 7, 1003, 65536]) expect(read(input, size)).toBe(expected);
  });
}
