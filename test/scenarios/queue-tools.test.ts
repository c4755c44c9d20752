/** The quick forms of queue-tools.ts. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { workTheQueue } from "./queue-tools.ts";

setDefaultTimeout(1_800_000);

const nothingWrong = {
  lost: [],
  twice: [],
  removedInVain: [],
  heldInVain: [],
  releasedInVain: [],
  troubles: [],
};

test("four processes hold, release, retry and remove while qmail-send delivers: all is as asked", async () => {
  const tally = await workTheQueue({ messages: 200, seconds: 5, kills: 0, seed: 3 });
  expect(tally).toMatchObject(nothingWrong);
  expect(tally.delivered + tally.held + tally.removed).toBe(200);
  expect(tally.attempts).toBeGreaterThan(0);
});

test("the same while all daemons are killed again and again", async () => {
  const tally = await workTheQueue({ messages: 100, seconds: 5, kills: 6, seed: 4 });
  expect(tally).toMatchObject(nothingWrong);
  expect(tally.delivered + tally.held + tally.removed).toBe(100);
});
