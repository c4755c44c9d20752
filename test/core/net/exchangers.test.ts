/** Where mail for a host goes, by what DNS says. */
import { expect, test } from "bun:test";
import { formatIp, parseIp } from "../../../src/core/bytes/ip.ts";
import { dnsName, hostAddresses, mailExchangers } from "../../../src/core/net/exchangers.ts";
import { speaksIpv6 } from "../../../src/core/net/own-addresses.ts";
import type { Finding } from "../../../src/core/net/resolver.ts";
import type { RecordType } from "../../../src/core/wire/dns.ts";

/** `name type` to what DNS has: addresses, `preference name`, or "unknown". What is not there does not exist. */
type Zone = Readonly<Record<string, readonly string[] | "unknown">>;

function names(zone: Zone) {
  const asked: string[] = [];
  const lookUp = (name: string, type: RecordType): Finding => {
    asked.push(`${name} ${type}`);
    const known = zone[`${name} ${type}`];
    if (known === "unknown") return { kind: "unknown" };
    const exists = Object.keys(zone).some((key) => key.startsWith(`${name} `));
    if (known === undefined) return { kind: "absent", exists };
    const records = known.map((text) => {
      const [preference = "", target = ""] = type === "MX" ? text.split(" ") : ["0", ""];
      return {
        type: 0,
        data: parseIp(text) ?? new Uint8Array(0),
        name: target,
        preference: Number(preference),
      };
    });
    return { kind: "records", records };
  };
  return { lookUp, asked };
}

async function show(zone: Zone, host = "h", find = mailExchangers) {
  const result = await find(names(zone), host);
  if (result.kind !== "found") return result.kind;
  const list = result.exchangers.map(({ address, preference }) => `${preference} ${formatIp(address)}`);
  return [...list, ...(result.incomplete ? ["incomplete"] : [])];
}

const rows: readonly (readonly [string, Zone, string | string[]])[] = [
  ["no such host", {}, "absent"],
  ["only an address", { "h A": ["1.1.1.1", "1.1.1.2"] }, ["0 1.1.1.1", "0 1.1.1.2"]],
  [
    "an address of no use beside MX",
    { "h A": ["1.1.1.1"], "h MX": ["5 m"], "m A": ["2.2.2.2"] },
    ["5 2.2.2.2"],
  ],
  [
    "preference",
    { "h MX": ["20 b", "10 a", "30 c"], "a A": ["1.0.0.1"], "b A": ["1.0.0.2"], "c A": ["1.0.0.3"] },
    ["10 1.0.0.1", "20 1.0.0.2", "30 1.0.0.3"],
  ],
  ["an exchanger without address", { "h MX": ["1 a", "2 b"], "b A": ["1.0.0.2"] }, ["2 1.0.0.2"]],
  ["no exchanger has one", { "h MX": ["1 a"], "h A": ["1.1.1.1"] }, []],
  ["one can not be told", { "h MX": ["1 a"], "a A": "unknown" }, ["incomplete"]],
  ["MX can not be told", { "h MX": "unknown", "h A": ["1.1.1.1"] }, "unknown"],
  ["the address can not be told", { "h A": "unknown" }, "unknown"],
  ["an alias to nowhere", { "h MX": [], "h A": [] }, []],
  ["no mail wanted (RFC 7505)", { "h MX": ["0 "], "h A": ["1.1.1.1"] }, []],
  ["an address as exchanger is the best", { "h MX": ["9 7.7.7.7"] }, ["0 7.7.7.7"]],
];
for (const [about, zone, wanted] of rows)
  test(about, async () => {
    expect<string | string[]>(await show(zone)).toEqual(wanted);
  });

test("addresses are not looked up", async () => {
  const service = names({});
  for (const host of ["1.2.3.4", "[1.2.3.4]", "[IPv6:::1]", "::1"])
    expect(await mailExchangers(service, host)).toMatchObject({ kind: "found" });
  expect(service.asked).toEqual([]);
});

test("names in UTF-8 are asked for as DNS has them, all others as they are", () => {
  const latin1 = (text: string) => Buffer.from(text).toString("latin1");
  expect(dnsName(latin1("b\u00fccher.Example"))).toBe("xn--bcher-kva.example");
  for (const name of ["Host.dom", "a b", "", "b\xfccher", latin1("\u00fc/x"), latin1("\u00fc@x")])
    expect(dnsName(name)).toBe(name);
});

test("equal preference comes in any order", async () => {
  const zone = { "h MX": ["1 a", "1 b"], "a A": ["1.0.0.1"], "b A": ["1.0.0.2"] };
  const seen = new Set((await Promise.all(Array.from({ length: 100 }, () => show(zone)))).map(String));
  expect([...seen].sort()).toEqual(["1 1.0.0.1,1 1.0.0.2", "1 1.0.0.2,1 1.0.0.1"]);
});

test.skipIf(!speaksIpv6())("IPv6 comes behind IPv4 (skipped without an IPv6 address)", async () => {
  expect(await show({ "h A": ["1.1.1.1"], "h AAAA": ["::2"] })).toEqual(["0 1.1.1.1", "0 ::2"]);
  expect(await show({ "h AAAA": ["::2"] })).toEqual(["0 ::2"]);
  expect(await show({ "h A": ["1.1.1.1"], "h AAAA": "unknown" })).toEqual(["0 1.1.1.1"]);
  expect(await show({ "h TXT": [], "h AAAA": "unknown" }, "h", hostAddresses)).toBe("unknown");
});
