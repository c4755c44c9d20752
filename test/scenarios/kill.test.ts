/** The quick form of kill.ts. */
import { expect, test } from "bun:test";
import { killDaemons } from "./kill.ts";

test("no acknowledged message is lost when all daemons are killed, again and again", async () => {
  const messages = 100;
  const tally = await killDaemons({ kills: 10, messages, seed: 7 });
  expect({ ...tally, duplicated: 0, swept: 0 }).toEqual({
    acknowledged: messages,
    delivered: messages,
    duplicated: 0,
    lost: 0,
    torn: 0,
    swept: 0,
    left: [],
  });
});
