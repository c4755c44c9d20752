import { expect, test } from "bun:test";
import { date822, dateDigits, localDate822, mboxDate } from "../../../src/core/mail/date.ts";

const rows: readonly (readonly [number, string, string, string])[] = [
  [0, "1 Jan 1970 00:00:00 -0000\n", "Thu Jan 01 00:00:00 1970\n", "19700101000000"],
  [951782400, "29 Feb 2000 00:00:00 -0000\n", "Tue Feb 29 00:00:00 2000\n", "20000229000000"],
  [999999999, "9 Sep 2001 01:46:39 -0000\n", "Sun Sep 09 01:46:39 2001\n", "20010909014639"],
  [4102444799, "31 Dec 2099 23:59:59 -0000\n", "Thu Dec 31 23:59:59 2099\n", "20991231235959"],
];
for (const [seconds, header, mbox, digits] of rows) {
  test(`${seconds} seconds`, () => {
    expect([date822(seconds), mboxDate(seconds), dateDigits(seconds)]).toEqual([header, mbox, digits]);
  });
}

const local = { year: 2001, month: 8, day: 9, hour: 1, minute: 46, second: 39 };
const zones: readonly (readonly [number, string])[] = [
  [0, "+0000"],
  [60, "+0001"],
  [-60, "-0001"],
  [19800, "+0530"],
  [-43200, "-1200"],
  [50400, "+1400"],
  [29, "+0000"],
  [30, "+0001"],
];
for (const [east, zone] of zones) {
  test(`a clock ${east} seconds ahead`, () => {
    expect(localDate822(local, 999999999 - east)).toBe(`9 Sep 2001 01:46:39 ${zone}\n`);
  });
}
