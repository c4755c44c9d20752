/** Records of who is logged in. */
import { expect, test } from "bun:test";
import { recordSize, terminalsIn } from "../../../src/core/sys/utmp.ts";
import { utmpRecord } from "../../helpers/utmp.ts";

const long = "u".repeat(32);
const records = Buffer.concat([
  utmpRecord(2, "~", "reboot"),
  utmpRecord(7, "pts/0", "joe"),
  utmpRecord(7, "tty1", "joex"),
  utmpRecord(8, "pts/1", "joe"),
  utmpRecord(7, "pts/22", long),
  utmpRecord(7, "pts/3", "joe"),
]);
const rows: readonly (readonly [string, string])[] = [
  ["joe", "pts/0 pts/3"],
  ["jo", ""],
  ["reboot", ""],
  [long, "pts/22"],
];
for (const [user, terminals] of rows) {
  test(`terminals of ${user}`, () => {
    expect(terminalsIn(records, Buffer.from(user)).join(" ")).toBe(terminals);
  });
}

test("half a record does not count", () => {
  expect(terminalsIn(records.subarray(0, 6 * recordSize - 1), Buffer.from("joe")).join(" ")).toBe("pts/0");
});
