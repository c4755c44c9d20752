/** Statistics of a log: checked against a plain count of the same lines, and bounded. */
import { expect, test } from "bun:test";
import { Durations } from "../../../src/core/log/durations.ts";
import { reasonOf } from "../../../src/core/log/reason.ts";
import { Statistics } from "../../../src/core/log/statistics.ts";
import { Tally } from "../../../src/core/log/tally.ts";
import { Thread, type Wanted } from "../../../src/core/log/thread.ts";
import { Timeline } from "../../../src/core/log/timeline.ts";
import { type Seen, Tracker } from "../../../src/core/log/tracker.ts";
import { randomFrom, sampleLog } from "./sample.ts";

test("a day's log", () => {
  const lines = sampleLog(5000);
  const tracker = new Tracker();
  const statistics = new Statistics();
  for (const line of lines) statistics.add(tracker.feed(line));
  const report = statistics.report(1000);
  const count = (shape: RegExp): number => lines.filter(({ text }) => shape.test(text)).length;
  expect(report.messages.new).toBe(count(/^info msg/));
  expect(report.messages.ended).toBe(count(/^end msg/));
  expect(report.messages.bouncesOut).toBe(count(/^bounce msg/));
  const sum = (key: "success" | "failure" | "deferral"): number =>
    report.attempts.local[key] + report.attempts.remote[key];
  for (const key of ["success", "failure", "deferral"] as const) {
    expect([key, sum(key)]).toEqual([key, count(new RegExp(`^delivery \\d+: ${key}`))]);
    for (const rows of [report.recipients, report.hosts, report.senders, report.timeline.points])
      expect(rows.reduce((total, row) => total + row[key], 0)).toBe(sum(key));
  }
  for (const [rows, key] of [
    [report.failures, "failure"],
    [report.deferrals, "deferral"],
  ] as const)
    expect(rows.reduce((total, row) => total + row.count, 0)).toBe(sum(key));
  expect(report.deferrals.length).toBeLessThan(6);
  expect(report.senders.reduce((total, { messages }) => total + messages, 0)).toBe(report.messages.new);
  expect(report.delay.count).toBe(sum("success"));
  expect(report.delay.classes.reduce((total, row) => total + row.count, 0)).toBe(sum("success"));
  expect(report.from).toBe(lines[0]?.time ?? 0);
  expect(report.to).toBe(lines.at(-1)?.time ?? 0);
  expect(report.dropped).toBe(0);
});

test("a log that begins in the middle, and one without times", () => {
  const lines = sampleLog(500).slice(700);
  for (const timed of [true, false]) {
    const tracker = new Tracker();
    const statistics = new Statistics();
    for (const { time, text } of lines)
      statistics.add(tracker.feed({ time: timed ? time : undefined, text }));
    const report = statistics.report();
    expect(report.timeline.points.length > 0).toBe(timed);
    expect(report.delay.count > 0).toBe(timed);
    expect(report.failures.length).toBeGreaterThan(0);
  }
});

test("numbers that are used again belong to the later message and delivery", () => {
  const tracker = new Tracker();
  const feed = (...texts: string[]): Seen[] => texts.map((text, time) => tracker.feed({ time, text }));
  const first = feed(
    "new msg 30",
    "info msg 30: bytes 1 from <a@x> qp 1 uid 0",
    "starting delivery 1: msg 30 to local b@x",
    "end msg 30",
  );
  const second = feed(
    "new msg 30",
    "status: local 0/10 remote 0/20",
    "delivery 1: success: late/",
    "starting delivery 1: msg 30 to local c@x",
    "delivery 1: success: ok/",
  );
  expect(first[3]?.message?.sender).toBe("a@x");
  expect(second[0]?.message?.sender).toBeUndefined();
  expect(second[2]?.delivery).toBeUndefined();
  expect(second[4]?.delivery?.recipient).toBe("c@x");
});

const story = [
  "new msg 1",
  "info msg 1: bytes 9 from <ann@x> qp 100 uid 5",
  "new msg 2",
  "info msg 2: bytes 9 from <eve@x> qp 101 uid 5",
  "starting delivery 1: msg 1 to local list@x",
  "starting delivery 2: msg 2 to remote bob@y",
  // The forwarded message is there before the delivery is told to be over.
  "new msg 3",
  "info msg 3: bytes 9 from <ann@x> qp 102 uid 5",
  "delivery 1: success: did_0+1+0/qp_102/",
  "end msg 1",
  "starting delivery 3: msg 3 to remote sue@z",
  "delivery 2: success: 192.0.2.1_accepted_message./Remote_host_said:_250_ok_qp_103/",
  "end msg 2",
  "delivery 3: failure: no/",
  "bounce msg 3 qp 103",
  "end msg 3",
  "new msg 1",
  "info msg 1: bytes 9 from <> qp 103 uid 5",
  "starting delivery 4: msg 1 to local v-ann@x",
  "delivery 4: success: did_1+0+0/",
  "end msg 1",
];
const lineNumbers = (wanted: Wanted): number[] => {
  const tracker = new Tracker();
  const thread = new Thread(wanted);
  const all = story.map((text, time) => tracker.feed({ time, text }));
  return all.flatMap((seen) => thread.feed(seen).map(({ time }) => time ?? -1));
};
const whole = [0, 1, 4, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 18, 19, 20];
for (const [about, wanted, lines] of [
  ["a number, and all that came of it", { id: "1" }, whole],
  ["the process", { qp: "100" }, whole],
  ["a recipient, whatever the case", { address: "LIST@x" }, whole],
  [
    "a message without further ones, in whose report another host tells a number",
    { id: "2" },
    [2, 3, 5, 11, 12],
  ],
  ["a recipient behind a virtual domain's prefix", { address: "ann@x" }, whole],
  ["the last of a chain", { address: "sue@z" }, [6, 7, 10, 13, 14, 15, 16, 17, 18, 19, 20]],
  ["nobody", { address: "x" }, []],
] as const)
  test(`one message by ${about}`, () => {
    expect(lineNumbers(wanted).sort((a, b) => a - b)).toEqual([...lines]);
  });

test("reasons are alike but for hosts, addresses and numbers", () => {
  const reasons = [
    "192.0.2.1_does_not_like_recipient./Remote_host_said:_550_5.1.1_<a@b.example>:_User_unknown/Giving_up_on_192.0.2.1./",
    "203.0.113.77_does_not_like_recipient./Remote_host_said:_550_5.1.1_<other@c.example>:_User_unknown/Giving_up_on_203.0.113.77./",
    "2001:db8::7_does_not_like_recipient./Remote_host_said:_550_5.1.1_<other@c.example>:_User_unknown/Giving_up_on_2001:db8::7./",
  ].map(reasonOf);
  expect(new Set(reasons)).toEqual(
    new Set(["HOST does not like recipient. 550 5.1.1 <ADDRESS>: User unknown"]),
  );
  expect(reasonOf("/")).toBe("(no reason given)");
  expect(reasonOf("Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/")).toBe(
    "Sorry, no mailbox here by that name. (#5.1.1)",
  );
});

test("a tally of very many names keeps the frequent ones, in bounded room", () => {
  const tally = new Tally(["count"], 100);
  for (let round = 0; round < 50; round++) {
    for (let name = 0; name < 20; name++) tally.add(`frequent${name}`, { count: 10 });
    for (let name = 0; name < 1000; name++) tally.add(`rare${round}-${name}`, { count: 1 });
  }
  expect(tally.size).toBeLessThanOrEqual(200);
  expect(tally.top(20).every(({ name, count }) => name.startsWith("frequent") && count === 500)).toBe(true);
  expect(tally.dropped + tally.size).toBe(50_020);
});

test("quantiles are right to an eighth", () => {
  const random = randomFrom(7);
  const values = Array.from({ length: 10_000 }, () => 0.01 * 10 ** (6 * random()));
  const durations = new Durations();
  for (const value of values) durations.add(value);
  const sorted = values.toSorted((a, b) => a - b);
  const { median, p90, p99, most, mean } = durations.report();
  for (const [found, share] of [
    [median, 0.5],
    [p90, 0.9],
    [p99, 0.99],
  ] as const)
    expect(Math.abs(found / (sorted[Math.floor(share * 10_000)] ?? 0) - 1)).toBeLessThan(1 / 8);
  expect(most).toBe(sorted.at(-1) ?? 0);
  expect(mean).toBeCloseTo(values.reduce((a, b) => a + b) / 10_000, 5);
});

test("a timeline of seconds becomes one of hours without losing anything", () => {
  const timeline = new Timeline();
  for (let time = 1_000_000; time < 1_000_000 + 14 * 86400; time += 60) timeline.add(time, "messages");
  const { step, points } = timeline.report();
  expect([step, points.length]).toEqual([10800, 113]);
  expect(points.reduce((sum, { messages }) => sum + messages, 0)).toBe(14 * 1440);
  expect(points.slice(1, -1).every(({ messages }) => messages === 180)).toBe(true);
});
