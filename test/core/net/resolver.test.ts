/** Which caches are asked. */
import { expect, test } from "bun:test";
import { formatIp } from "../../../src/core/bytes/ip.ts";
import { type Cache, cachesFrom, settingsFrom } from "../../../src/core/net/resolver.ts";

const show = (caches: readonly Cache[]) => caches.map(({ address, port }) => `${formatIp(address)} ${port}`);

for (const [text, caches] of [
  ["", []],
  ["127.0.0.1", ["127.0.0.1 53"]],
  ["127.0.0.1:5353 ::1, [::1]:54", ["127.0.0.1 5353", "::1 53", "::1 54"]],
  ["nonsense 1.2.3.4", ["1.2.3.4 53"]],
] as const)
  test(`DNSCACHEIP ${text}`, () => {
    expect(show(cachesFrom(text))).toEqual([...caches]);
  });

test("resolv.conf", () => {
  const settings = settingsFrom(
    "# ours\nnameserver 10.0.0.1\n nameserver\t::1\nsearch a.b\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions timeout:2 rotate\n",
  );
  expect(show(settings.caches)).toEqual(["10.0.0.1 53", "::1 53", "10.0.0.2 53"]);
  expect(settings).toMatchObject({ seconds: 2, attempts: 2 });
});

test("without it this machine is asked", () => {
  expect(show(settingsFrom("").caches)).toEqual(["127.0.0.1 53"]);
  expect(settingsFrom("options timeout:0 attempts:99\n")).toMatchObject({ seconds: 5, attempts: 5 });
});
