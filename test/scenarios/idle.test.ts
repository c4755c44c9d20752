/** The quick form of idle.ts. */
import { expect, test } from "bun:test";
import { idle } from "./idle.ts";

test("200 idle connections: others are served, a dribbler is cut, and all of them are still there", async () => {
  const seen = await idle(200, 20);
  expect(seen.queued).toBe(20);
  expect(seen.alive).toBe(200);
  expect(seen.dribbler).toBe("451 timeout (#4.4.2)");
  expect(seen.dribbled).toBeLessThan(120);
  // Not the buffers of a session that is busy, which are more than ten times that.
  expect((seen.with - seen.before) / 200).toBeLessThan(100);
  expect(seen.log).not.toContain("warning");
}, 900_000);
