import { expect, test } from "bun:test";
import { CutReport, WholeOutput } from "../../../src/core/delivery/output.ts";
import { localReport, remoteReport } from "../../../src/core/delivery/report.ts";
import type { End } from "../../../src/core/sys/spawn.ts";

const remote: readonly (readonly [End, string, string])[] = [
  [{ code: 0 }, "r\0Kok\n\0", "Kok\n"],
  [{ code: 0 }, "rA\0KB\0", "KAB"],
  [{ code: 0 }, "hA\0KB\0", "DA"],
  [{ code: 0 }, "hA\0DB\0", "DAB"],
  [{ code: 0 }, "sA\0KB\0", "ZA"],
  [{ code: 0 }, "sA\0DB\0", "ZAB"],
  [{ code: 0 }, "rA\0ZB", "DAB"],
  [{ code: 0 }, "\0Kok\0", "KKok"],
  [{ code: 0 }, "r", "D"],
  [{ code: 0 }, "", "Zqmail-remote produced no output.\n"],
  [{ code: 111 }, "r\0Kok\0", "ZUnable to run qmail-remote.\n"],
  [{ code: 100 }, "r\0Kok\0", "DUnable to run qmail-remote.\n"],
  [{ signal: "SIGSEGV" }, "r\0Kok\0", "Zqmail-remote crashed.\n"],
];
for (const [end, output, report] of remote)
  test(`qmail-remote ${JSON.stringify(end)} ${JSON.stringify(output)}`, () => {
    expect(remoteReport(end, Buffer.from(output)).toString()).toBe(report);
  });

const local: readonly (readonly [End, string, string])[] = [
  [{ code: 0 }, "did 1+0+0\n", "Kdid 1+0+0\n"],
  [{ code: 100 }, "no\0hidden", "Dno"],
  [{ code: 1 }, "no", "Dno"],
  [{ code: 111 }, "later", "Zlater"],
  [{ code: 75 }, "later", "Zlater"],
  [{ code: 113 }, "x", "ZNot allowed to perform deliveries as root.\n"],
  [{ code: 126 }, "x", "DUnable to run qmail-local.\n"],
  [{ signal: "SIGKILL" }, "x", "Zqmail-local crashed.\n"],
];
for (const [end, output, report] of local)
  test(`qmail-local ${JSON.stringify(end)} ${JSON.stringify(output)}`, () => {
    expect(localReport(end, Buffer.from(output)).toString()).toBe(report);
  });

const note = "\nError report too long, sorry.\n";

test("a report of just the limit is whole", () => {
  const report = new CutReport(3000);
  report.add(Buffer.alloc(3000, 97));
  expect(report.bytes().toString()).toBe("a".repeat(3000));
});

test("a longer one is cut, and the note stands for the rest", () => {
  const report = new CutReport(3000);
  for (let piece = 0; piece < 50; piece++) report.add(Buffer.alloc(1000, 97));
  expect(report.bytes().toString()).toBe("a".repeat(3000 - note.length - 3) + note);
});

test("output beyond its limit is told", () => {
  const output = new WholeOutput(5);
  output.add(Buffer.from("abc"));
  output.add(Buffer.from("de"));
  expect(output.overflowed).toBe(false);
  output.add(Buffer.from("f"));
  expect(output.overflowed).toBe(true);
  expect(output.bytes().toString()).toBe("abcde");
});
