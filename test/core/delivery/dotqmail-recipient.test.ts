/** Header lines and variables of a delivery. */
import { expect, test } from "bun:test";
import { deliveryEnvironment, headerLines } from "../../../src/core/delivery/dotqmail-recipient.ts";

function recipient(extension: string, host: string, sender: string) {
  const bytes = (text: string) => Buffer.from(text, "latin1");
  return {
    user: bytes("joe"),
    home: bytes("/home/joe"),
    local: bytes(`joe-${extension}`),
    dash: bytes("-"),
    extension: bytes(extension),
    host: bytes(host),
    sender: bytes(sender),
    defaultDelivery: bytes("./Mailbox"),
  };
}

/** extension; host; the three shorter extensions and hosts. */
const cuts: readonly (readonly [string, string, string, string])[] = [
  ["", "", "||", "||"],
  ["a", "h", "||", "h|h|h"],
  ["a-b", "x.y", "b||", "x|x|x"],
  ["a-b-c-d-e", "a.b.c.d.e", "b-c-d-e|c-d-e|d-e", "a.b.c.d|a.b.c|a.b"],
  ["-a-", "a..b", "a-||", "a.|a|a"],
];
for (const [extension, host, extensions, hosts] of cuts) {
  test(`variables of ${extension}@${host}`, () => {
    const who = recipient(extension, host, "s@t");
    const variables = deliveryEnvironment(who, headerLines(who, 0), who.sender, undefined);
    const joined = (...names: string[]) => names.map((name) => String(variables[name])).join("|");
    expect(joined("EXT", "EXT2", "EXT3", "EXT4")).toBe(`${extension}|${extensions}`);
    expect(joined("HOST", "HOST2", "HOST3", "HOST4")).toBe(`${host}|${hosts}`);
  });
}

test("DEFAULT is set only if the file's name ends with default", () => {
  const who = recipient("a-b", "h", "s@t");
  const lines = headerLines(who, 0);
  expect(deliveryEnvironment(who, lines, who.sender, Buffer.from("b")).DEFAULT).toEqual(Buffer.from("b"));
  expect(deliveryEnvironment(who, lines, who.sender, undefined).DEFAULT).toBe(process.env.DEFAULT);
});

/** sender; the From_ line; the Return-Path line. */
const lines: readonly (readonly [string, string, string])[] = [
  ["", "From MAILER-DAEMON Thu Jan 01 00:00:00 1970\n", "Return-Path: <>\n"],
  ["s@t", "From s@t Thu Jan 01 00:00:00 1970\n", "Return-Path: <s@t>\n"],
  ["a b\tc\nd@t", "From a-b-c-d@t Thu Jan 01 00:00:00 1970\n", 'Return-Path: <"a b\tc\\_d"@t>\n'],
  ["\xe9@t", "From \xe9@t Thu Jan 01 00:00:00 1970\n", 'Return-Path: <"\xe9"@t>\n'],
];
for (const [sender, from, returnPath] of lines) {
  test(`lines for sender ${JSON.stringify(sender)}`, () => {
    const told = headerLines(recipient("x", "h\ni", sender), 0);
    expect(told.from.toString("latin1")).toBe(from);
    expect(told.returnPath.toString("latin1")).toBe(returnPath);
    expect(told.deliveredTo.toString("latin1")).toBe("Delivered-To: joe-x@h_i\n");
  });
}
