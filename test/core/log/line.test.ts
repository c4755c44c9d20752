/** Lines of the log in every shape that loggers give them. */
import { expect, test } from "bun:test";
import { eventOf } from "../../../src/core/log/event.ts";
import { LogReader } from "../../../src/core/log/line.ts";

const time = 1795544150.123456;
const now = time + 3600;
const date = new Date(time * 1000);
const two = (value: number): string => String(value).padStart(2, "0");
const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
const month = date.toLocaleString("en-US", { month: "short" });
const day = String(date.getDate()).padStart(2, " ");

const rows: readonly (readonly [shape: string, line: string, expected: number | undefined])[] = [
  ["plain", "new msg 30", undefined],
  ["multilog", "@400000006b05a2a0075bca00 new msg 30", 0x6b05a2a0 - 10 + 0x075bca00 / 1e9],
  ["splogger", `${month} ${day} ${clock} host qmail: 1795544150.123456 new msg 30`, time],
  [
    "splogger with a process number",
    `${month} ${day} ${clock} host qmail[3]: 1795544150.123456 new msg 30`,
    time,
  ],
  ["syslog without splogger's time", `${month} ${day} ${clock} host qmail[3]: new msg 30`, Math.floor(time)],
  [
    "syslog of this protocol's later form",
    "2026-11-24T18:15:50.123456+01:00 host qmail: new msg 30",
    Date.parse("2026-11-24T17:15:50.123Z") / 1000,
  ],
  ["journalctl -o short-unix", "1795544150.123456 host qmail[3]: new msg 30", time],
  [
    "journalctl -o short-iso",
    "2026-11-24T18:15:50+0000 host qmail[3]: new msg 30",
    Date.parse("2026-11-24T18:15:50Z") / 1000,
  ],
  ["journalctl -o json", '{"MESSAGE":"new msg 30","__REALTIME_TIMESTAMP":"1795544150123456"}', time],
  [
    "journalctl -o json with bytes",
    `{"MESSAGE":${JSON.stringify([...Buffer.from("new msg 30")])},"_SOURCE_REALTIME_TIMESTAMP":"1795544150123456","__REALTIME_TIMESTAMP":"1"}`,
    time,
  ],
  [
    "journalctl -o json of splogger",
    '{"MESSAGE":"1795544150.123456 new msg 30","__REALTIME_TIMESTAMP":"9"}',
    time,
  ],
  ["seconds", "1795544150.123456 new msg 30", time],
  [
    "tai64nlocal",
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}.123456000 new msg 30`,
    Math.floor(time) + 0.123,
  ],
];
for (const [shape, line, expected] of rows)
  test(`${shape}`, () => {
    const [found, ...more] = new LogReader(now).push(line);
    expect([found?.text, more]).toEqual(["new msg 30", []]);
    if (expected === undefined) expect(found?.time).toBeUndefined();
    else expect(found?.time).toBeCloseTo(expected, 5);
  });

const untouched = [
  "delivery 1: success: did_1+0+0/",
  "triple bounce: discarding bounce/3",
  "info msg 30: bytes 318 from <ann@example.org> qp 4711 uid 1000",
  "alert: oh no! lost spawn connection! dying...",
  "status: local 1/10 remote 0/20",
  "{no journal",
  "",
];
for (const line of untouched)
  test(`nothing is taken from ${JSON.stringify(line)}`, () => {
    expect(new LogReader(now).push(line)).toEqual([{ time: undefined, text: line }]);
  });

test("a line that splogger cut is one again", () => {
  const reader = new LogReader(now);
  const text = `delivery 1: deferral: ${"x".repeat(2000)}`;
  const pieces = text.match(/.{1,799}/g) ?? [];
  const lines = pieces.map(
    (piece, index) => `Nov 24 18:15:50 host qmail: 1795544150.123456${index === 0 ? " " : "+"}${piece}`,
  );
  expect([...lines, "1795544151.000000 new msg 30"].flatMap((line) => reader.push(line))).toEqual([
    { time, text },
    { time: 1795544151, text: "new msg 30" },
  ]);
  expect(reader.end()).toEqual([]);
});

test("a line of exactly that length waits for the next, or for the end", () => {
  const reader = new LogReader(now);
  const text = "x".repeat(799);
  expect(reader.push(`1795544150.123456 ${text}`)).toEqual([]);
  expect(reader.end()).toEqual([{ time, text }]);
});

test("what a line says", () => {
  const events = [
    "info msg 30: bytes 318 from <a>b@x> qp 4711 uid 1000",
    "starting delivery 7: msg 30 to remote joe@x",
    "delivery 7: report mangled, will defer",
    "delivery 7: failure: no_such_user/",
    "status: local 1/10 remote 2/20 exitasap",
    "status: exiting",
    "bounce msg 30 qp 12",
    "triple bounce: discarding bounce/30",
    "warning: trouble fsyncing info/7/30",
    "constructor msg 30",
  ].map(eventOf);
  expect(events).toEqual([
    { kind: "info", id: "30", bytes: 318, sender: "a>b@x", qp: "4711", uid: "1000" },
    { kind: "start", delivery: "7", id: "30", channel: "remote", recipient: "joe@x" },
    { kind: "mangled", delivery: "7" },
    { kind: "failure", delivery: "7", report: "no_such_user/" },
    { kind: "status", local: { running: 1, limit: 10 }, remote: { running: 2, limit: 20 }, exiting: true },
    { kind: "exit" },
    { kind: "bounce", id: "30", qp: "12" },
    { kind: "discarded", id: "30" },
    { kind: "warning", text: "trouble fsyncing info/7/30" },
    { kind: "other", text: "constructor msg 30" },
  ]);
});
