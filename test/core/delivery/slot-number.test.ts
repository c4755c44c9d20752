import { expect, test } from "bun:test";
import {
  decodeSlot,
  encodeSlot,
  takeSlotWidth,
  widthVariable,
} from "../../../src/core/delivery/slot-number.ts";

test.each([
  [0, 1, [0]],
  [255, 1, [255]],
  [0, 2, [0, 0]],
  [255, 2, [0, 255]],
  [256, 2, [1, 0]],
  [3999, 2, [15, 159]],
] as const)("%d in %d bytes", (slot, width, bytes) => {
  expect([...encodeSlot(slot, width)]).toEqual([...bytes]);
  expect(decodeSlot(Buffer.from([...bytes, 75]), width)).toBe(slot);
});

test.each([
  [undefined, 1],
  ["2", 2],
  ["1", 1],
  ["3", 1],
  ["", 1],
] as const)("%p said by qmail-start: %d", (said, width) => {
  const environment: Record<string, string> = said === undefined ? {} : { [widthVariable]: said };
  expect(takeSlotWidth(environment)).toBe(width);
  expect(environment).toEqual({});
});
