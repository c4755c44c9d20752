/** The words of a bounce. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  bounceHead,
  bounceMiddle,
  bounceRecipient,
  failureParagraph,
} from "../../../src/core/mail/bounce.ts";

const rows: readonly (readonly [string, string, string])[] = [
  ["a@b", "", "<a@b>:\n\n"],
  ["a@b", "no", "<a@b>:\nno\n\n"],
  ["a@b", "no\n", "<a@b>:\nno\n\n"],
  ["a\nb@c", "x\n\n\ny\n", "<a_b@c>:\nx\n//y\n\n"],
  ["a@b", "\n", "<a@b>:\n\n\n"],
  ["a@b", "\nx", "<a@b>:\n/x\n\n"],
];
for (const [recipient, report, expected] of rows)
  test(JSON.stringify([recipient, report]), () => expect(failureParagraph(recipient, report)).toBe(expected));

test("no report can end its paragraph before its last line", () => {
  const report = fc.string({ unit: fc.constantFrom("\n", "a", " "), maxLength: 40 });
  fc.assert(
    fc.property(report, (text) => {
      const body = failureParagraph("a@b", text).slice(0, -2);
      expect(body).not.toMatch(/\n\n[^\n]/);
    }),
  );
});

const addresses = { from: "MAILER-DAEMON", host: "h", postmaster: "p m@h" };

test("a list owner is told at the owner's address", () => {
  expect(bounceRecipient("list-@host-@[]")).toBe("list-@host");
  expect(bounceRecipient("-@[]")).toBe("");
  expect(bounceRecipient("#@[]")).toBe("#@[]");
});

test("quoting where an address needs it", () => {
  expect(bounceHead("a b@c", addresses, 0)).toStartWith(
    'Date: 1 Jan 1970 00:00:00 -0000\nFrom: MAILER-DAEMON@h\nTo: "a b"@c\nSubject: failure notice\n\nHi. ',
  );
  expect(bounceHead("", addresses, 0)).toContain('\nTo: "p m"@h\n');
  expect(bounceMiddle("a b@c")).toEndWith('message.\n\nReturn-Path: <"a b"@c>\n');
  expect(bounceMiddle("")).toEndWith("bounce.\n\nReturn-Path: <>\n");
});
