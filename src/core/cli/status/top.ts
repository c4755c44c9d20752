/** One picture of `qmail top`: a state in as many rows and columns as the terminal has. */
import type { Delivery } from "../../log/tracker.ts";
import type { Paint } from "../paint.ts";
import { countShown, cutTo, durationShown, padTo, shown, timeShown, widthOf } from "../shown.ts";
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

/** Columns between a table and the plot at its right, and those without which there is no plot. */
const plotGap = 3;
const smallestPlot = 16;

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
    ...beside(queueTable(state.queue, paint, columns), history, historyName, paint, columns),
  ];
  const rates = rateTable(state, paint, columns);
  if (rates.length > 0 && rows >= 18) top.push("", ...rates);
  const bottom = keys === "" ? [] : [paint.quiet(cutTo(keys, columns))];
  const room = rows - top.length - bottom.length - 1;
  const lines = [...top, "", ...lists(state, underWay, paint, columns, room)];
  return [...fill(lines, rows - bottom.length, ""), ...bottom];
}

function fill(lines: readonly string[], rows: number, filler: string): string[] {
  return Array.from({ length: rows }, (_, index) => lines[index] ?? filler);
}

function titleLine({ home, time }: State, paint: Paint, columns: number): string {
  const clock = timeShown(time);
  const title = cutTo(`qmail top  ${shown(home)}`, columns - clock.length - 1);
  return paint.strong(padTo(title, columns - clock.length) + clock);
}

const colour = /\x1b\[[\d;]*m/g;
const visibleWidth = (line: string): number => widthOf(line.replace(colour, ""));

/** A line with colours that is too long loses them, rather than their ends. */
function cutPainted(line: string, columns: number): string {
  return visibleWidth(line) <= columns ? line : cutTo(line.replace(colour, ""), columns);
}

/** A table with a plot of the history at its right, where there is room. */
function beside(
  lines: readonly string[],
  history: readonly number[],
  name: string,
  paint: Paint,
  columns: number,
): string[] {
  const left = Math.max(...lines.map(visibleWidth)) + plotGap;
  const room = columns - left;
  if (room < smallestPlot) return [...lines];
  const values = history.slice(-room);
  const most = Math.max(0, ...values);
  const padded = [...new Array<number>(room - values.length).fill(0), ...values];
  const label = padTo(
    cutTo(most === 0 ? `${name}: none` : `${name}, at most ${countShown(most)}`, room),
    room,
    "right",
  );
  const plot = [
    paint.quiet(label),
    ...columnsOf(padded, lines.length - 1, most).map((row) => paint.good(row)),
  ];
  return lines.map((line, index) => line + " ".repeat(left - visibleWidth(line)) + (plot[index] ?? ""));
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
