/** The arithmetic, the table and the readers of counters of the bench. */
import { describe, expect, test } from "bun:test";
import {
  callsByProgram,
  deviceFlushes,
  processorTime,
  processTime,
  proportionalSize,
  sinkMessages,
  tracedCalls,
} from "../../bench/pure/counters.ts";
import { advantage, median, quantile, spread, summary } from "../../bench/pure/stats.ts";
import { cell, table } from "../../bench/pure/table.ts";
import { message, tokenOf } from "../../bench/pure/text.ts";

describe("several rounds", () => {
  test("the middle, and parts between two neighbours", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([0, 10], 0.99)).toBeCloseTo(9.9);
    expect(quantile([5], 0.99)).toBe(5);
    expect(median([])).toBeNaN();
  });
  test("numbers are ordered as numbers", () => expect(median([9, 10, 100])).toBe(10));
  test("how far apart", () => {
    expect(spread(summary([90, 100, 120]))).toBeCloseTo(0.3);
    expect(spread(summary([0, 0]))).toBe(0);
  });
  test("better is above 1, whichever way is better", () => {
    expect(advantage(200, 100, "more")).toBe(2);
    expect(advantage(200, 100, "less")).toBe(0.5);
    expect(advantage(1, 0, "more")).toBeUndefined();
    expect(advantage(-3, 4, "less")).toBeUndefined();
    expect(advantage(Number.NaN, 4, "less")).toBeUndefined();
  });
});

describe("the table", () => {
  const figures = [{ key: "rate", title: "messages/s", digits: 0, better: "more" }] as const;
  test("ratios to the first; who is unable has a dash", () => {
    const rows = [
      { peer: "A", summaries: { rate: summary([90, 100, 110]) } },
      { peer: "B", summaries: { rate: summary([50]) } },
      { peer: "C", refusal: "not here" },
    ];
    expect(table(figures, rows)).toEqual([
      "|            |                 A |   B |   C |  A : B |",
      "| ---------- | ----------------: | --: | --: | -----: |",
      "| messages/s | 100 (90-110, 20%) |  50 |   - | x 2.00 |",
    ]);
  });
  test("a figure that a system does not give is a dash", () => {
    expect(cell(undefined, 1)).toBe("-");
    expect(cell(summary([Number.NaN]), 1)).toBe("-");
  });
});

describe("counters", () => {
  test("/proc/diskstats: flushes of one device", () => {
    const text = ` 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 777 17
   7       0 loop0 812 0 25174 78 512632 1414752 15196640 168631 0 90068 241788 0 0 0 0 261973 73079
   7       1 loop1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 5 1\n`;
    expect(deviceFlushes(text, "loop0")).toBe(261973);
    expect(deviceFlushes(text, "vda")).toBe(777);
    expect(deviceFlushes(text, "loop")).toBeUndefined();
  });
  test("an old kernel that does not count flushes", () =>
    expect(deviceFlushes("7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n", "loop0")).toBeUndefined());
  test("cpu.stat is in seconds", () =>
    expect(processorTime("usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\n")).toEqual({
      user: 2.5,
      system: 1,
    }));
  test("/proc/PID/stat of a program whose name has blanks and parentheses", () => {
    const stat = "77 (a) b (c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 25 75 20 0 9 0 123\n";
    expect(processTime(stat)).toBe(3);
    expect(processTime("")).toBe(0);
  });
  test("smaps_rollup, also of a process that is gone", () => {
    expect(proportionalSize("55d-7ff [rollup]\nRss:  900 kB\nPss:    512 kB\nPss_Dirty: 3 kB\n")).toBe(
      524288,
    );
    expect(proportionalSize("")).toBe(0);
  });
  test("strace -c, with and without errors", () => {
    const text = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 81.20    0.120000         300       400         2 fsync
 18.80    0.020000         200       100           fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.140000         280       500         2 total\n`;
    expect([...tracedCalls(text)]).toEqual([
      ["fsync", 400],
      ["fdatasync", 100],
    ]);
  });
  test("smtp-sink -c writes one line over and over", () => {
    expect(sinkMessages("sess=1 quit=0 mesg=0\rsess=12 quit=11 mesg=11\r")).toBe(11);
    expect(sinkMessages("")).toBe(0);
  });
  test("calls by program: forks, programs executed, calls interrupted by others", () => {
    const trace = `10 read(0, "x", 1) = 1
10 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
11 close(3) = 0
10 <... clone resumed>, child_tidptr=0x7f) = 12
12 execve("/bin/none", ["none"], 0x1) = -1 ENOENT (No such file or directory)
12 execve("/var/qmail/bin/qmail-local", ["qmail-local"], 0x1 <unfinished ...>
11 close(4) = 0
12 <... execve resumed>) = 0
12 fsync(3) = 0
12 +++ exited with 0 +++
99 getpid() = 99\n`;
    const calls = callsByProgram(
      trace,
      new Map([
        [10, "qmail-lspawn"],
        [11, "qmail-send"],
      ]),
    );
    const plain = Object.fromEntries([...calls].map(([name, counts]) => [name, Object.fromEntries(counts)]));
    expect(plain).toEqual({
      "qmail-lspawn": { read: 1, clone: 1, execve: 2 },
      "qmail-send": { close: 2 },
      "qmail-local": { fsync: 1 },
      "(unknown)": { getpid: 1 },
    });
  });
});

test("a message is found again by its token, whatever ends its lines", () => {
  const text = message(2000, "m17");
  expect(Math.abs(text.length - 2000)).toBeLessThan(100);
  expect(tokenOf(text)).toBe("m17");
  expect(tokenOf(text.replaceAll("\n", "\r\n"))).toBe("m17");
  expect(tokenOf("Subject: none\n\n")).toBeUndefined();
});
