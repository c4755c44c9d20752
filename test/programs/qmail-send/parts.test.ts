/** The parts of qmail-send that need no system at all. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Routing, senderFor } from "../../../src/core/mail/routing.ts";
import {
  type Channel,
  channels,
  channelTable,
  nextAttempt,
} from "../../../src/programs/qmail-send/channel.ts";
import { DueHeap } from "../../../src/programs/qmail-send/heap.ts";
import { logSafe } from "../../../src/programs/qmail-send/log.ts";

interface Schedule {
  table: { channel: "local" | "remote"; age: number; next: number }[];
  sequence: Record<"local" | "remote", number[]>;
}

describe("the recorded schedule", () => {
  const file = join(import.meta.dir, "../../conformance/vectors/retry-schedule.json");
  const { table, sequence } = JSON.parse(readFileSync(file, "utf8")) as Schedule;
  const channelOf = (name: string): Channel => (name === channelTable[0].name ? 0 : 1);

  test("every age", () => {
    const wrong = table.filter(({ channel, age, next }) => nextAttempt(0, age, channelOf(channel)) !== next);
    expect(table.length).toBeGreaterThan(100);
    expect(wrong).toEqual([]);
  });

  for (const channel of channels)
    test(`all attempts on channel ${channel}`, () => {
      const times = sequence[channelTable[channel].name];
      for (const [index, time] of times.slice(0, -1).entries())
        expect(nextAttempt(1000, 1000 + time, channel) - 1000).toBe(times[index + 1] ?? 0);
    });

  test("a message from the future counts as new", () => {
    expect(nextAttempt(5000, 1000, 0)).toBe(5100);
  });
});

test("the heap gives messages back by time", () => {
  const entry = fc.tuple(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), fc.integer({ min: 0, max: 50 }));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 300 }), (entries) => {
      const heap = new DueHeap();
      for (const [id, at] of entries) heap.insert(id, at);
      const out: string[] = [];
      let last = 0;
      for (let due = heap.take(); due !== undefined; due = heap.take()) {
        expect(due.at).toBeGreaterThanOrEqual(last);
        last = due.at;
        out.push(`${due.id} ${due.at}`);
      }
      expect(out.sort()).toEqual(entries.map(([id, at]) => `${id} ${at}`).sort());
    }),
  );
});

test("a heap of a million messages takes less than 50 bytes each", () => {
  const heap = new DueHeap();
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  for (let id = 1n; id <= 1_000_000n; id++) heap.insert(id, Number(id % 1000n));
  Bun.gc(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
  expect(heap.takeDue(0)).toBe(1000n);
});

test("strangers' words in the log", () => {
  expect(logSafe("a b%c\n\x00\x7f\xe9\t~!$&")).toBe("a_b_c/____~!$&");
});

describe("routing", () => {
  const routing = new Routing({
    locals: ["Here.Example", "sub.virt.example"],
    percentHack: ["hack.example"],
    virtualDomains: [
      "virt.example:v",
      ".virt.example:w",
      "boss@virt.example:b",
      "not@virt.example:",
      "exempt.example:",
      "no colon",
      "twice.example:1",
      "twice.example:2:3",
    ],
    envNoAtHost: "here.example",
  });
  const rows: readonly (readonly [string, string])[] = [
    ["joe@here.example", "0 joe@here.example"],
    ["joe@HERE.example", "0 joe@HERE.example"],
    ["joe", "0 joe@here.example"],
    ["", "0 @here.example"],
    ["joe@there.example", "1 joe@there.example"],
    ["joe@virt.example", "0 v-joe@virt.example"],
    ["Boss@Virt.Example", "0 b-Boss@Virt.Example"],
    ["not@virt.example", "1 not@virt.example"],
    ["joe@a.b.virt.example", "0 w-joe@a.b.virt.example"],
    ["joe@sub.virt.example", "0 joe@sub.virt.example"],
    ["joe@exempt.example", "1 joe@exempt.example"],
    ["joe@twice.example", "0 2:3-joe@twice.example"],
    ["joe%here.example@hack.example", "0 joe@here.example"],
    ["a%b%hack.example@hack.example", "1 a@b"],
    ["a@b%virt.example@hack.example", "0 v-a@b@virt.example"],
    ["joe@hack.example", "1 joe@hack.example"],
    ["\xc9@here.example", "0 \xc9@here.example"],
  ];
  for (const [recipient, expected] of rows)
    test(JSON.stringify(recipient), () => {
      const { channel, address } = routing.route(recipient);
      expect(`${channel} ${address}`).toBe(expected);
    });

  test("a catch-all takes what nothing else takes", () => {
    const all = new Routing({
      locals: [],
      percentHack: [],
      virtualDomains: [":all", "x.example:"],
      envNoAtHost: "",
    });
    expect(all.route("a@b.example").address).toBe("all-a@b.example");
    expect(all.route("a@x.example").channel).toBe(1);
    expect(all.withoutPrepend("all-a@b.example")).toBe("a@b.example");
  });

  const bounced: readonly (readonly [string, string])[] = [
    ["v-joe@virt.example", "joe@virt.example"],
    ["v-joe@VIRT.example", "joe@VIRT.example"],
    ["V-joe@virt.example", "V-joe@virt.example"],
    ["b-boss@virt.example", "b-boss@virt.example"],
    ["v-joe@here.example", "v-joe@here.example"],
    ["joe", "joe"],
  ];
  for (const [address, expected] of bounced)
    test(`a bounce names ${address} as ${expected}`, () =>
      expect(routing.withoutPrepend(address)).toBe(expected));
});

describe("senders that recipients see", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["list-@host-@[]", "joe@x.example", "list-joe=x.example@host"],
    ["list-@host-@[]", "a@b@x.example", "list-a@b=x.example@host"],
    ["list-@host", "joe@x.example", "list-@host"],
    ["-@[]", "joe@x.example", "-@[]"],
    ["nohost-@[]", "joe@x.example", "nohost-@[]"],
    ["@h-@[]", "joe@x.example", "joe=x.example@h"],
    ["list-@host-@[]", "joe", "list-@host-@[]"],
    ["#@[]", "joe@x.example", "#@[]"],
    ["", "joe@x.example", ""],
  ];
  for (const [sender, recipient, expected] of rows)
    test(`${sender} for ${recipient}`, () => expect(senderFor(sender, recipient)).toBe(expected));
});
