/** The table of hosts that did not answer. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseIp } from "../../../src/core/bytes/ip.ts";
import { HostTimeouts, listTimeouts, TcptoTrouble, tcptoPath } from "../../../src/core/net/tcpto.ts";
import { Scratch } from "../../helpers/built.ts";

const scratch = new Scratch();
const inherited = process.env.QMAILHOME;
beforeAll(() => {
  process.env.QMAILHOME = scratch.path;
  mkdirSync(scratch.in("queue/lock"), { recursive: true });
});
afterAll(() => {
  if (inherited === undefined) delete process.env.QMAILHOME;
  else process.env.QMAILHOME = inherited;
  scratch[Symbol.dispose]();
});

const now = () => Math.floor(Date.now() / 1000);

/** Writes the table: address, count, seconds ago. */
function fill(...rows: readonly (readonly [string, number, number])[]): void {
  const table = Buffer.alloc(1024);
  for (const [index, [address, count, ago]] of rows.entries()) {
    table.set(parseIp(address) ?? [], 16 * index);
    table[16 * index + 4] = count;
    table.writeUInt32LE(now() - ago, 16 * index + 8);
  }
  writeFileSync(tcptoPath(), table);
}

const host = (text = "10.0.0.1") => new HostTimeouts(parseIp(text) ?? Buffer.alloc(4));
const listed = () =>
  listTimeouts().map(({ address, count, when }) => `${address.join(".")} ${count} ${now() - when < 5}`);

beforeEach(() => fill());

for (const [count, ago, skipped] of [
  [1, 10, false],
  [2, 10, true],
  [10, 3800, true],
  [10, 5900, false],
  [0, 10, false],
  [200, 10, false],
] as const)
  test(`${count} time-outs, the last ${ago} seconds ago: ${skipped ? "left alone" : "tried"}`, async () => {
    fill(["9.9.9.9", 2, 5], ["10.0.0.1", count, ago]);
    expect(await host().tooMany()).toBe(skipped);
  });

test("a time-out is noted, counts again after two minutes only, and at most ten times", async () => {
  await host().timedOut();
  expect(listed()).toEqual(["10.0.0.1 1 true"]);
  await host().timedOut();
  expect(listed()).toEqual(["10.0.0.1 1 true"]);
  fill(["10.0.0.1", 1, 121]);
  await host().timedOut();
  expect(listed()).toEqual(["10.0.0.1 2 true"]);
  fill(["10.0.0.1", 10, 500]);
  await host().timedOut();
  expect(listed()).toEqual(["10.0.0.1 10 true"]);
});

test("an answer forgives, and is written only for a host that is listed", async () => {
  fill(["10.0.0.1", 1, 50]);
  const one = host();
  expect(await one.tooMany()).toBe(false);
  await one.answered();
  expect(listed()).toEqual([]);
  const before = readFileSync(tcptoPath());
  const other = host("10.0.0.2");
  await other.tooMany();
  await other.answered();
  expect(readFileSync(tcptoPath())).toEqual(before);
});

test("a full table loses the record that matters least: old, and few time-outs", async () => {
  fill(...Array.from({ length: 64 }, (_, index) => [`1.1.1.${index}`, index === 20 ? 1 : 5, 1000] as const));
  await host().timedOut();
  const records = listed();
  expect(records.length).toBe(64);
  expect(records[20]).toBe("10.0.0.1 1 true");
});

test("a record that is no longer used is taken first", async () => {
  fill(["1.1.1.1", 1, 10], ["1.1.1.2", 0, 10], ["1.1.1.3", 1, 99999]);
  await host().timedOut();
  expect(listed()[1]).toBe("10.0.0.1 1 true");
});

test("IPv6 leaves no trace", async () => {
  const six = host("a00:1::");
  await six.timedOut();
  expect(listed()).toEqual([]);
  fill(["10.0.0.1", 5, 10]);
  expect(await host("a00:1::").tooMany()).toBe(false);
});

test("without a table every host is tried, and only the list complains", async () => {
  writeFileSync(tcptoPath(), "short");
  await host().timedOut();
  expect(readFileSync(tcptoPath(), "latin1")).toBe("short");
  process.env.QMAILHOME = scratch.in("elsewhere");
  expect(await host().tooMany()).toBe(false);
  await host().timedOut();
  expect(listTimeouts).toThrow(TcptoTrouble);
  process.env.QMAILHOME = scratch.path;
});
