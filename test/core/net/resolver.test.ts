/** Which caches are asked, and what they say, by either way to ask. */
import { expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { formatIp } from "../../../src/core/bytes/ip.ts";
import { type Cache, cachesFrom, Resolver, settingsFrom } from "../../../src/core/net/resolver.ts";
import { connectLine } from "../../../src/core/sys/network-line.ts";
import { Socket } from "../../../src/core/sys/socket.ts";

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

/** Both ways to ask, and what each finds out. */
for (const [way, connect] of [
  ["waiting", Socket.connect],
  ["beside others", connectLine],
] as const) {
  const resolver = (port: number, more: readonly Cache[] = []) => {
    const caches = [...more, { address: Uint8Array.of(127, 0, 0, 1), port }];
    return new Resolver({ caches, seconds: 0.3, attempts: 2 }, connect);
  };

  test(`${way}: addresses, exchangers, aliases, nothing, no name, no knowledge, a long answer`, async () => {
    const server = new Worker(new URL("./name-server.ts", import.meta.url));
    const port = await new Promise<number>((resolve, reject) => {
      server.onerror = ({ message }) => reject(new Error(message));
      server.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
    });
    try {
      const names = resolver(port);
      const show = async (name: string, type: "A" | "MX" | "AAAA") => {
        const finding = await names.lookUp(name, type);
        if (finding.kind === "absent") return finding.exists ? "nothing" : "no name";
        return finding.kind === "unknown"
          ? "unknown"
          : finding.records.map(({ data, name: target }) => target || data.join("."));
      };
      expect(await show("a.dom", "A")).toEqual(["10.0.0.1", "10.0.0.2"]);
      expect(await show("a.dom", "MX")).toEqual("nothing");
      expect(await show("mx.dom", "MX")).toEqual(["a.dom"]);
      expect(await show("alias.dom", "A")).toEqual(["10.0.0.1", "10.0.0.2"]);
      expect(await show("lost.dom", "A")).toEqual([]);
      expect(await show("none.dom", "A")).toEqual("no name");
      expect(await show("fail.dom", "A")).toEqual("unknown");
      expect(await show(`${"x".repeat(64)}.dom`, "A")).toEqual("no name");
      expect((await show("long.dom", "A")).length).toBe(100);
      const many = await Promise.all(Array.from({ length: 50 }, () => names.lookUp("a.dom", "A")));
      expect(new Set(many.map(({ kind }) => kind))).toEqual(new Set(["records"]));
      // A cache that refuses datagrams, and one that says nothing, are passed over.
      const silent = createSocket("udp4");
      await new Promise<void>((resolve) => silent.bind(0, "127.0.0.1", resolve));
      const others = [1, silent.address().port].map((number) => ({
        address: Uint8Array.of(127, 0, 0, 1),
        port: number,
      }));
      expect((await resolver(port, others).lookUp("a.dom", "A")).kind).toBe("records");
      expect(
        (await new Resolver({ caches: others, seconds: 0.05, attempts: 2 }, connect).lookUp("a.dom", "A"))
          .kind,
      ).toBe("unknown");
      silent.close();
    } finally {
      server.terminate();
    }
  });
}

for (const [about, spoil] of [
  ["another id", (reply: Buffer) => reply.writeUInt16BE(reply.readUInt16BE(0) ^ 1, 0)],
  ["another question", (reply: Buffer) => reply.writeUInt8(reply.readUInt8(13) ^ 3, 13)],
] as const)
  test(`an answer with ${about} does not count`, async () => {
    const server = createSocket("udp4", (query, from) => {
      const reply = Buffer.from(query);
      reply.writeUInt16BE(0x8183, 2);
      const wrong = Buffer.from(reply);
      spoil(wrong);
      wrong.writeUInt16BE(0x8180, 2);
      server.send(wrong, from.port, from.address);
      setTimeout(() => server.send(reply, from.port, from.address), 20);
    });
    await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
    const caches = [{ address: Uint8Array.of(127, 0, 0, 1), port: server.address().port }];
    const finding = await new Resolver({ caches, seconds: 2, attempts: 1 }, connectLine).lookUp(
      "ab.dom",
      "A",
    );
    server.close();
    expect(finding).toEqual({ kind: "absent", exists: false });
  });
