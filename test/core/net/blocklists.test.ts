/** Which lists keep a client out, and with what words. */
import { expect, test } from "bun:test";
import { blockList, refusalFor, saidOf } from "../../../src/core/net/blocklists.ts";
import type { NameService } from "../../../src/core/net/exchangers.ts";
import { recordType } from "../../../src/core/wire/dns.ts";

/** Addresses and texts in lists; `?` is a name that can not be looked up now. */
const zone: Readonly<Record<string, { A: string; TXT?: string[] }>> = {
  "2.2.0.192.one": { A: "127.0.0.2", TXT: ["seen ", "sending \r\nviruses"] },
  "2.2.0.192.two": { A: "127.0.0.10" },
  "2.2.0.192.long": { A: "127.0.0.2", TXT: ["x".repeat(255), "y"] },
  "2.2.0.192.asks-too-much": { A: "127.255.255.254", TXT: ["too many questions"] },
  "2.2.0.192.sold": { A: "203.0.113.80" },
  "2.2.0.192.down": { A: "?" },
  [`2.${"0.".repeat(23)}8.b.d.0.1.0.0.2.one`]: { A: "127.0.0.2" },
};
const asked: string[] = [];
const names: NameService = {
  lookUp(name, type) {
    asked.push(name);
    const entry = zone[name];
    if (entry?.A === "?") return { kind: "unknown" };
    if (entry === undefined) return { kind: "absent", exists: false };
    const data =
      type === "A"
        ? Uint8Array.from(entry.A.split(".").map(Number))
        : Buffer.concat((entry.TXT ?? []).flatMap((text) => [Buffer.of(text.length), Buffer.from(text)]));
    if (type === "TXT" && entry.TXT === undefined) return { kind: "absent", exists: true };
    return { kind: "records", records: [{ type: recordType[type], data, name: "", preference: 0 }] };
  },
};

for (const [lists, ip, words] of [
  ["one", "192.0.2.2", "451 seen sending ??viruses"],
  ["-one", "192.0.2.2", "553 seen sending ??viruses"],
  ["one", "192.0.2.3", undefined],
  ["two", "192.0.2.2", "451 192.0.2.2 is listed in two"],
  ["two.", "192.0.2.2", "451 192.0.2.2 is listed in two"],
  ["- two: see https://two.example/%IP%", "192.0.2.2", "553 see https://two.example/192.0.2.2"],
  ["none|-two|one", "192.0.2.2", "553 192.0.2.2 is listed in two"],
  ["+two|one", "192.0.2.2", undefined],
  ["one|+two", "192.0.2.2", "451 seen sending ??viruses"],
  ["+none|one", "192.0.2.2", "451 seen sending ??viruses"],
  ["asks-too-much|sold|down", "192.0.2.2", undefined],
  ["down|one", "192.0.2.2", "451 seen sending ??viruses"],
  ["long", "192.0.2.2", `451 ${"x".repeat(200)}`],
  ["one", "2001:db8::2", "451 2001:db8::2 is listed in one"],
  ["one", "unknown", undefined],
] as const)
  test(`${ip} with ${lists}: ${words?.slice(0, 60) ?? "welcome"}`, async () => {
    const refusal = await refusalFor(names, lists.split("|").map(blockList), ip);
    expect(refusal?.text).toBe(words);
  });

test("a client that is no address is not asked for", async () => {
  asked.length = 0;
  await refusalFor(names, [blockList("one")], "unknown");
  expect(asked).toEqual([]);
});

for (const [value, text, code] of [
  [undefined, undefined, undefined],
  ["go away", "451 go away", "4.7.1"],
  ["-go\naway", "553 go?away", "5.7.1"],
] as const)
  test(`RBLSMTPD ${JSON.stringify(value)}`, () => {
    const said = saidOf(value === undefined ? undefined : Buffer.from(value));
    expect(said).toEqual(text === undefined ? undefined : { text, code });
  });

test("an empty RBLSMTPD lets the client in, whatever the lists say", () => {
  expect(saidOf(Buffer.of())).toBe("welcome");
});
