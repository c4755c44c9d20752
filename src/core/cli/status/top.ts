/** One picture of `qmail top`: a state in as many rows and columns as the terminal has. */
import type { Delivery } from "../../log/tracker.ts";
import type { Paint } from "../paint.ts";
import { cutTo, durationShown, padTo, shown, timeShown, widthOf } from "../shown.ts";
import { columnsOf, table } from "../table.ts";
import type { State } from "./state.ts";
import { destinationTable, processLine, processTable, queueTable, rateTable } from "./text.ts";

/** What a picture shows. */
export interface Picture {
  state: State;
  /** Deliveries under way, the longest first; undefined: no log tells. */
  underWay: readonly Delivery[] | undefined;
  /** Successes over time where there is a log, otherwise messages in the queue; the newest last. */
  history: readonly number[];
  /** What the history is. */
  historyName: string;
  /** Keys, for the last line; empty: there are none. */
  keys: string;
}

export const smallest = { rows: 12, columns: 50 } as const;

const plotHeight = 3;

/** Exactly `rows` lines, none wider than `columns`. */
export function picture(
  { state, underWay, history, historyName, keys }: Picture,
  paint: Paint,
  rows: number,
  columns: number,
): string[] {
  if (rows < smallest.rows || columns < smallest.columns)
    return fill([cutTo(`qmail top needs ${smallest.columns}x${smallest.rows}`, columns)], rows, "");
  const top = [
    titleLine(state, paint, columns),
    cutPainted(processLine(state, paint), columns),
    "",
    ...queueTable(state.queue, paint, columns),
  ];
  const rates = rateTable(state, paint, columns);
  if (rates.length > 0 && rows >= 20) top.push("", ...rates);
  const plot = rows >= 24 ? plotLines(history, historyName, paint, columns) : [];
  const bottom = keys === "" ? [] : [paint.quiet(cutTo(keys, columns))];
  const room = rows - top.length - plot.length - bottom.length - 2;
  return fill(
    [...top, ...plot, "", ...lists(state, underWay, paint, columns, room)],
    rows - bottom.length,
    "",
  ).concat(bottom);
}

function fill(lines: readonly string[], rows: number, filler: string): string[] {
  return Array.from({ length: rows }, (_, index) => lines[index] ?? filler);
}

function titleLine({ home, time }: State, paint: Paint, columns: number): string {
  const clock = timeShown(time);
  const title = cutTo(`qmail top  ${shown(home)}`, columns - clock.length - 1);
  return paint.strong(padTo(title, columns - clock.length) + clock);
}

/** A line with colours that is too long loses them, rather than their ends. */
function cutPainted(line: string, columns: number): string {
  const plain = line.replace(/\x1b\[[\d;]*m/g, "");
  return widthOf(plain) <= columns ? line : cutTo(plain, columns);
}

function plotLines(history: readonly number[], name: string, paint: Paint, columns: number): string[] {
  const label = Math.max(10, widthOf(name) + 1);
  const values = history.slice(-(columns - label));
  const most = Math.max(0, ...values);
  if (most === 0) return [];
  const padded = [...new Array<number>(columns - label - values.length).fill(0), ...values];
  return [
    "",
    ...columnsOf(padded, plotHeight, most).map((line, row) => {
      const words = row === 0 ? String(most) : row === plotHeight - 1 ? name : "";
      return `${paint.quiet(padTo(words, label - 1, "right"))} ${paint.good(line)}`;
    }),
  ];
}

/** What is under way, and for whom most waits, in `room` lines; each gets what the other does not need. */
function lists(
  state: State,
  underWay: readonly Delivery[] | undefined,
  paint: Paint,
  columns: number,
  room: number,
): string[] {
  if (room < 3) return [];
  const waiting = destinationTable(state.queue, paint, columns);
  const busy =
    underWay === undefined
      ? processTable(state, paint, columns)
      : deliveryTable(underWay, state.time, paint, columns);
  if (waiting.length === 0) return clipped(busy, room, paint);
  if (busy.length === 0) return clipped(waiting, room, paint);
  const half = Math.floor((room - 1) / 2);
  const first = Math.min(busy.length, Math.max(half, room - 1 - waiting.length));
  return [...clipped(busy, first, paint), "", ...clipped(waiting, room - 1 - first, paint)];
}

function clipped(lines: readonly string[], room: number, paint: Paint): string[] {
  if (lines.length <= room) return [...lines];
  if (room < 2) return [];
  return [...lines.slice(0, room - 1), paint.quiet(`… and ${lines.length - room + 1} more`)];
}

function deliveryTable(underWay: readonly Delivery[], now: number, paint: Paint, columns: number): string[] {
  const rows = underWay.map(({ channel, recipient, message, started }) => [
    message.id,
    started === undefined ? "-" : durationShown(Math.max(0, now - started)),
    channel,
    shown(recipient),
  ]);
  if (rows.length === 0) return [paint.quiet("no delivery is under way")];
  const heads = [
    { title: "message", right: true },
    { title: "for", right: true },
    { title: "channel" },
    { title: "under way to", flexible: true },
  ];
  return table(heads, rows, columns, paint.quiet);
}
