/** What people read: numbers, durations, strangers' bytes, tables and plots. */
import { expect, test } from "bun:test";
import { Progress } from "../../../src/core/cli/progress.ts";
import { bytesShown, cutTo, durationShown, shareShown, shown, widthOf } from "../../../src/core/cli/shown.ts";
import { bar, columnsOf, merged, table } from "../../../src/core/cli/table.ts";

for (const [seconds, text] of [
  [0, "0 s"],
  [0.0042, "4.2 ms"],
  [0.25, "0.25 s"],
  [9.94, "9.9 s"],
  [59.6, "1 min"],
  [61, "1 min 1 s"],
  [3599.7, "1 h"],
  [7260, "2 h 1 min"],
  [86400 * 5 + 3600 * 4, "5 d 4 h"],
] as const)
  test(`${seconds} seconds are ${text}`, () => expect(durationShown(seconds)).toBe(text));

for (const [size, text] of [
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 KB"],
  [1536, "1.5 KB"],
  [1023 * 1024, "1.0 MB"],
  [5 * 2 ** 30, "5.0 GB"],
] as const)
  test(`${size} bytes are ${text}`, () => expect(bytesShown(size)).toBe(text));

test("shares", () => {
  expect([
    shareShown(1, 3),
    shareShown(3, 3),
    shareShown(0, 3),
    shareShown(1, 100_000),
    shareShown(0, 0),
  ]).toEqual(["33.3 %", "100 %", "0 %", "<0.1 %", "-"]);
});

test("bytes of strangers: UTF-8 is read, everything else is named", () => {
  const latin1 = (text: string): string => Buffer.from(text).toString("latin1");
  expect(shown(latin1("joé@bücher.example"))).toBe("joé@bücher.example");
  expect(shown("\x1b[31m\x07\n\xff")).toBe("\\x1b[31m\\x07\\x0a\\xff");
  expect(shown(latin1("a\u202eb\u0085"))).toBe("a\\xe2\\x80\\xaeb\\xc2\\x85");
});

test("wide characters take two columns", () => {
  expect([widthOf("abc"), widthOf("日本"), widthOf("é"), widthOf("e\u0301")]).toEqual([3, 4, 1, 1]);
  expect(cutTo("日本語", 5)).toBe("日本…");
});

test("a table gives way where the terminal is narrow", () => {
  const columns = [
    { title: "count", right: true },
    { title: "reason", flexible: true },
  ];
  const rows = [
    ["1", "short"],
    ["12345", "a very long reason that does not fit"],
  ];
  expect(table(columns, rows, 24)).toEqual(["count  reason", "    1  short", "12345  a very long reas…"]);
});

test("bars and columns are exact to an eighth, and what is there is seen", () => {
  expect([bar(1, 4), bar(0.5, 4), bar(0.0001, 4), bar(0, 4), bar(9 / 32, 4)]).toEqual([
    "████",
    "██",
    "▏",
    "",
    "█▏",
  ]);
  expect(columnsOf([0, 1, 8, 16], 2)).toEqual(["   █", " ▁██"]);
  expect(merged([1, 2, 3, 4, 5], 2)).toEqual([6, 9]);
});

test("progress is for a terminal, and for what takes long", async () => {
  for (const isTTY of [true, false]) {
    const written: string[] = [];
    const progress = new Progress(2000, { isTTY, write: (text) => written.push(text) });
    progress.add(500);
    expect(written).toEqual([]);
    await Bun.sleep(550);
    progress.add(500);
    progress.end();
    expect(written).toEqual(isTTY ? ["\r\x1b[Kreading the log: 50 % of 2.0 KB", "\r\x1b[K"] : []);
  }
});
