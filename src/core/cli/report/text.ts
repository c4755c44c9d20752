/** The report for a terminal: tables, and plots of block characters. */
import type { Distribution } from "../../log/durations.ts";
import type { Reason, Report } from "../../log/statistics.ts";
import type { Paint } from "../paint.ts";
import { bytesShown, countShown, durationShown, padTo, shareShown, shown, timeShown } from "../shown.ts";
import { bar, type Column, columnsOf, merged, table, wrapped } from "../table.ts";
import { addressName, allAttempts, className, notes, period, quantiles } from "./words.ts";

const plotHeight = 5;
const barWidth = 30;

/** The lines of the report, for a terminal of `width` columns. */
export function reportLines(report: Report, paint: Paint, width: number): string[] {
  const sections = [
    [paint.strong("qmail report"), ...wrapped(period(report), width)],
    overall(report, paint, width),
    timeline(report, paint, width),
    distribution("Delay", "from a message's arrival to each delivery", report.delay, paint, width),
    distribution("Duration", "of each successful attempt", report.duration, paint, width),
    reasons("Deferrals by reason", report.deferrals, paint, width),
    reasons("Failures by reason", report.failures, paint, width),
    senders(report, paint, width),
    recipients(report, paint, width),
    hosts(report, paint, width),
    users(report, paint, width),
    alerts(report, paint, width),
    notes(report).flatMap((note) => wrapped(note, width)),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => (index === 0 ? lines : ["", ...lines]));
}

const heading = (text: string, paint: Paint, more = ""): string =>
  `${paint.strong(text)}${more === "" ? "" : ` ${paint.quiet(more)}`}`;
const right = (title: string): Column => ({ title, right: true });
const flexible = (title: string): Column => ({ title, flexible: true });
const outcomes = (paint: Paint): Column[] => [
  { title: "success", right: true },
  { title: "deferral", right: true, paint: paint.waiting },
  { title: "failure", right: true, paint: paint.bad },
];

/** A zero catches no eye. */
const some = (count: number): string => (count === 0 ? "-" : countShown(count));

function overall(report: Report, paint: Paint, width: number): string[] {
  const { messages, attempts, peak } = report;
  const all = allAttempts(report);
  const total = all.success + all.failure + all.deferral;
  const rows = (["success", "deferral", "failure"] as const).map((key) => [
    key,
    countShown(attempts.local[key]),
    countShown(attempts.remote[key]),
    countShown(all[key]),
    shareShown(all[key], total),
  ]);
  const busiest = (["local", "remote"] as const)
    .filter((channel) => peak[channel].limit > 0)
    .map((channel) => `${peak[channel].running} of ${peak[channel].limit} ${channel}`);
  return [
    heading("Messages", paint),
    ...wrapped(
      `${countShown(messages.new)} arrived (${bytesShown(messages.bytes)}, largest ${bytesShown(messages.largest)}), ${countShown(messages.ended)} ended, ${countShown(messages.bouncesOut)} bounced`,
      width,
    ),
    ...(report.lifetime.count > 0 ? wrapped(`in the queue: ${quantiles(report.lifetime)}`, width) : []),
    "",
    heading("Attempts", paint, busiest.length > 0 ? `at most ${busiest.join(" and ")} at a time` : ""),
    ...table(
      [{ title: "" }, right("local"), right("remote"), right("all"), right("share")],
      rows,
      width,
      paint.quiet,
    ),
  ];
}

function timeline({ timeline: { step, points } }: Report, paint: Paint, width: number): string[] {
  const first = points[0];
  if (first === undefined || points.length < 2) return [];
  const labelWidth = 9;
  const room = Math.max(10, width - labelWidth - 1);
  const sums = (value: (point: (typeof points)[number]) => number): number[] =>
    merged(points.map(value), room);
  const plots = [
    ["success", sums((point) => point.success), paint.good],
    ["deferral", sums((point) => point.deferral), paint.waiting],
    ["failure", sums((point) => point.failure), paint.bad],
  ] as const;
  const count = plots[0][1].length;
  const each = step * Math.ceil(points.length / count);
  const from = timeShown(first.time);
  const to = timeShown(first.time + each * count);
  return [
    heading("Attempts over time", paint, `each column ${durationShown(each)}`),
    ...plots.flatMap(([name, values, colour], index) => {
      const most = Math.max(...values);
      if (most === 0) return [];
      const height = index === 0 ? plotHeight : 2;
      return columnsOf(values, height).map((line, row) => {
        const label = row === 0 ? countShown(most) : row === height - 1 ? name : "";
        return `${padTo(label, labelWidth - 1, "right")} ${colour(line)}`.trimEnd();
      });
    }),
    `${" ".repeat(labelWidth)}${paint.quiet(from + to.padStart(Math.max(to.length + 1, count - from.length)))}`,
  ];
}

function distribution(
  title: string,
  about: string,
  { count, classes, ...rest }: Distribution,
  paint: Paint,
  width: number,
): string[] {
  if (count === 0) return [];
  const most = Math.max(...classes.map((row) => row.count));
  const shownClasses = classes.map((row, index) => ({ ...row, index }));
  const last = shownClasses.findLastIndex((row) => row.count > 0);
  return [
    heading(title, paint, about),
    ...wrapped(quantiles({ count, classes, ...rest }), width),
    ...shownClasses.slice(0, last + 1).map((row) => {
      const label = padTo(className(classes, row.index), 14);
      const share = padTo(shareShown(row.count, count), 7, "right");
      return `${label} ${share} ${padTo(countShown(row.count), 9, "right")}  ${paint.good(bar(row.count / most, barWidth))}`.trimEnd();
    }),
  ];
}

function reasons(title: string, rows: readonly Reason[], paint: Paint, width: number): string[] {
  if (rows.length === 0) return [];
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  const cells = rows.map(({ reason, count }) => [countShown(count), shareShown(count, total), shown(reason)]);
  return [
    heading(title, paint),
    ...table([right("count"), right("share"), flexible("reason")], cells, width, paint.quiet),
  ];
}

function senders({ senders: rows }: Report, paint: Paint, width: number): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => [
    countShown(row.messages),
    bytesShown(row.bytes),
    some(row.success),
    some(row.deferral),
    some(row.failure),
    addressName(row.name),
  ]);
  const columns = [right("messages"), right("size"), ...outcomes(paint), flexible("sender")];
  return [heading("Senders", paint), ...table(columns, cells, width, paint.quiet)];
}

function recipients({ recipients: rows }: Report, paint: Paint, width: number): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => [
    countShown(row.attempts),
    some(row.success),
    some(row.deferral),
    some(row.failure),
    shown(row.name),
  ]);
  return [
    heading("Recipients", paint),
    ...table([right("attempts"), ...outcomes(paint), flexible("recipient")], cells, width, paint.quiet),
  ];
}

function hosts({ hosts: rows }: Report, paint: Paint, width: number): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => [
    countShown(row.attempts),
    some(row.success),
    some(row.deferral),
    some(row.failure),
    row.meanDuration === null ? "-" : durationShown(row.meanDuration),
    shown(row.name),
  ]);
  const columns = [right("attempts"), ...outcomes(paint), right("mean"), flexible("host")];
  return [
    heading("Hosts", paint, "mean: how long an attempt takes"),
    ...table(columns, cells, width, paint.quiet),
  ];
}

function users({ users: rows }: Report, paint: Paint, width: number): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => [countShown(row.messages), bytesShown(row.bytes), row.name]);
  return [
    heading("Users who queued", paint),
    ...table([right("messages"), right("size"), flexible("uid")], cells, width, paint.quiet),
  ];
}

function alerts(
  { alerts: { alerts: count, warnings, last } }: Report,
  paint: Paint,
  width: number,
): string[] {
  if (last.length === 0) return [];
  const cells = last.map(({ time, text }) => [time === null ? "" : timeShown(time), shown(text)]);
  return [
    heading("Alerts and warnings", paint, `${countShown(count)} and ${countShown(warnings)}; the last are:`),
    ...table([{ title: "" }, { title: "", flexible: true, paint: paint.waiting }], cells, width),
  ];
}
