/** The quick form of large.ts. */
import { expect, test } from "bun:test";
import { aboveLimit, largeMessage } from "./large.ts";

test("a message of 100 MB arrives, and no process needs 100 MB of memory", async () => {
  const passage = await largeMessage(100);
  expect(passage.delivered).toBeGreaterThan(100 * 2 ** 20);
  expect(Object.keys(passage.peaks)).toContain("qmail-queue");
  expect(aboveLimit(passage)).toEqual([]);
});
