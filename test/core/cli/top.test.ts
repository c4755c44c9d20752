/** A picture of `qmail top` fills the terminal exactly, whatever its size. */
import { expect, test } from "bun:test";
import { paint } from "../../../src/core/cli/paint.ts";
import { widthOf } from "../../../src/core/cli/shown.ts";
import type { State } from "../../../src/core/cli/status/state.ts";
import { picture } from "../../../src/core/cli/status/top.ts";

const waiting = { messages: 12345, recipients: 23456, bytes: 1e9, oldest: 432100 };
const state: State = {
  home: `/home/${"long/".repeat(30)}mail`,
  time: 1_795_544_150,
  processes: ["qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"].map((name, index) => ({
    pid: 1000 + index,
    parent: 1,
    name,
    arguments: ["./Maildir/"],
    started: 1_795_500_000,
    memory: 2e7,
  })),
  queue: {
    ...waiting,
    unprocessed: 7,
    bouncing: 1,
    channels: { local: waiting, remote: waiting },
    ages: [],
    destinations: Array.from({ length: 100 }, (_, index) => ({
      channel: "remote",
      name: `${"sub.".repeat(index)}host.example`,
      ...waiting,
    })),
  },
  log: {
    path: "log",
    newest: 1,
    rates: [60, 300, 3600].map((seconds) => ({
      seconds,
      messages: 1e6,
      success: 5,
      failure: 1,
      deferral: 0,
    })),
  },
};
const message = {
  id: "30",
  born: 1,
  bytes: 1,
  sender: "",
  qp: "1",
  uid: "1",
  attempts: { success: 0, failure: 0, deferral: 0 },
};
const underWay = Array.from({ length: 40 }, (_, index) => ({
  number: String(index),
  channel: "remote" as const,
  recipient: `${"very".repeat(index)}@日本.example`,
  message,
  started: 1_795_544_100,
}));

for (const [rows, columns] of [
  [24, 80],
  [12, 50],
  [8, 30],
  [60, 200],
  [30, 78],
  [18, 132],
  [1, 10],
] as const)
  for (const coloured of [true, false])
    for (const full of [true, false])
      test(`${columns}x${rows}, ${coloured ? "" : "not "}coloured, ${full ? "busy" : "idle"}`, () => {
        const look = full
          ? { state, underWay }
          : { state: { ...state, processes: [], log: null }, underWay: undefined };
        const shape = {
          ...look,
          history: full ? [1, 5, 3, 900] : [],
          historyName: "success in 2 s",
          keys: "q quit",
        };
        const lines = picture(shape, paint({ isTTY: coloured }, {}), rows, columns);
        expect(lines).toHaveLength(rows);
        const widths = lines.map((line) => widthOf(line.replace(/\x1b\[[\d;]*m/g, "")));
        expect(widths.filter((width) => width > columns)).toEqual([]);
        expect(lines.join("\n").includes("\x1b[")).toBe(coloured && rows >= 12);
      });

test("at 80x24 deliveries under way and destinations both have room", () => {
  const shape = { state, underWay, history: [1, 2], historyName: "success in 2 s", keys: "q quit" };
  const text = picture(shape, paint({}), 24, 80).join("\n");
  for (const words of ["running for", "queue", "a minute", "under way to", "destination", "… and", "q quit"])
    expect(text).toContain(words);
});
