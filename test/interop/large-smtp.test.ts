/** The quick form of large-smtp.ts. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { aboveLimit } from "../scenarios/large.ts";
import { largeBySmtp } from "./large-smtp.ts";

setDefaultTimeout(900_000);

test("100 MB come by SMTP and go by SMTP, every byte, and no process needs 100 MB of memory", async () => {
  const passage = await largeBySmtp(100);
  expect(passage.intact).toBe(true);
  expect(passage.delivered).toBeGreaterThan(100 * 2 ** 20);
  const programs = ["qmail-local", "qmail-queue", "qmail-rspawn", "qmail-send", "qmail-smtpd"];
  expect(Object.keys(passage.peaks)).toEqual(expect.arrayContaining(programs));
  expect(aboveLimit(passage)).toEqual([]);
});
