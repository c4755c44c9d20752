/** Addresses as text. */
import { expect, test } from "bun:test";
import { formatIp, parseIp, parseLiteral, scanIpv4 } from "../../../src/core/bytes/ip.ts";

const rows: readonly (readonly [string, string | undefined])[] = [
  ["1.2.3.4", "1.2.3.4"],
  ["01.2.3.256", "1.2.3.0"],
  ["1.2.3", undefined],
  ["1.2.3.4x", undefined],
  ["1.2.3.", undefined],
  ["", undefined],
  ["::", "::"],
  ["::1", "::1"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"],
  ["1::2:3:4:5:6:7:8", undefined],
  ["1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"],
  ["::ffff:1.2.3.4", "::ffff:102:304"],
  ["::ffff:1.2.3.400", undefined],
  ["1:2:3:4:5:6:7", undefined],
  ["1::2::3", undefined],
  ["fffff::", undefined],
  [":::", undefined],
];
for (const [text, address] of rows)
  test(`${text || "(nothing)"} is ${address ?? "no address"}`, () => {
    const parsed = parseIp(text);
    expect(parsed && formatIp(parsed)).toBe(address);
  });

test("literals", () => {
  const literal = (text: string) => parseLiteral(text)?.join(".");
  expect(literal("[1.2.3.4]")).toBe("1.2.3.4");
  expect(literal("[IPv6:::1]")).toBe(literal("[::1]"));
  expect(literal("[1.2.3.4")).toBeUndefined();
  expect(literal("1.2.3.4]")).toBeUndefined();
});

test("what follows an address is not looked at, where that is wanted", () => {
  expect(scanIpv4("1.2.3.4:25")?.length).toBe(7);
  expect(scanIpv4("a1.2.3.4")).toBeUndefined();
});
