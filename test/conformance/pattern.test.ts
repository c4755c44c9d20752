/** The patterns must find what is wrong, or every recorded case passes. */
import { expect, test } from "bun:test";
import { type Moment, mismatch } from "./pattern.ts";

const now = Math.floor(Date.parse("3 Feb 2024 04:05:06 UTC") / 1000);
const moment: Moment = { from: now, to: now + 1, words: { T: "/scratch", UID: "1008" } };

/** Pattern, actual bytes, offset of the first difference or -1. */
const rows: readonly (readonly [string, string, number])[] = [
  ["plain", "plain", -1],
  ["plain", "plaid", 4],
  ["plain", "plain text", 5],
  ["plain text", "plain", 5],
  ["{{PID}}.", "123.", -1],
  ["{{PID}}.", "x.", 0],
  ["{{PID}}.", "0.", -1],
  ["uid {{UID}})", "uid 1008)", -1],
  ["uid {{UID}})", "uid 1009)", 7],
  ["{{T}}/a", "/scratch/a", -1],
  ["at {{DATE822}}\n", "at 3 Feb 2024 04:05:07 -0000\n", -1],
  ["at {{DATE822}}\n", "at 3 Feb 2024 04:05:57 -0000\n", 3],
  ["at {{DATE822}}\n", "at 03 Feb 2024 04:05:07 -0000\n", 3],
  ["at {{DATE822}}\n", "at 3 Feb 2024 04:05:07 +0000\n", 3],
  ["{{DATELOCAL}} +0530", "3 Feb 2024 09:35:06 +0530", -1],
  ["{{DATELOCAL}} +0530", "3 Feb 2024 09:36:06 +0530", 0],
  ["From x {{CTIME}}\n", "From x Sat Feb 03 04:05:06 2024\n", -1],
  ["From x {{CTIME}}\n", "From x Sat Feb  3 04:05:06 2024\n", 7],
  ["<{{NOW14}}.{{PID}}.q>", "<20240203040506.77.q>", -1],
  ["<{{NOW14}}.{{PID}}.q>", "<20240203040406.77.q>", 1],
  ["{{NOW}}.1", `${now}.1`, -1],
  ["{{NOW}}.1", `${now - 9}.1`, 0],
  ["{{NETLEN}}:Kok,", "3:Kok,", -1],
  ["{{NETLEN}}:Kok,", "4:Kok,", 0],
  ["{{SECS:60}}!", "63!", -1],
  ["{{SECS:60}}!", "64!", 0],
  ["new/{{MAILNAME}}", "new/1706933106.12.host.example", -1],
  ["new/{{MAILNAME}}", "new/1706933106.12", 4],
  ["214 {{HELPTEXT}}\r\n", "214 any text\r\n", -1],
  ["{{UNKNOWN}}", "x", 0],
];
for (const [pattern, actual, offset] of rows) {
  test(`${JSON.stringify(pattern)} and ${JSON.stringify(actual)}`, () => {
    expect(mismatch(pattern, actual, moment)).toBe(offset);
  });
}
