/** The parts of a state as a person reads them, for `qmail status` and `qmail top`. */
import type { Paint } from "../paint.ts";
import { bytesShown, countShown, durationShown, plural, shown, timeShown } from "../shown.ts";
import { bar, type Column, table } from "../table.ts";
import type { QueueState, Waiting } from "./queue.ts";
import type { State } from "./state.ts";

const right = (title: string): Column => ({ title, right: true });
const age = (seconds: number | null): string => (seconds === null ? "-" : durationShown(seconds));

/** Whether it runs, since when, and what that takes. */
export function processLine({ processes, time }: State, paint: Paint): string {
  const manager = processes.find(({ name }) => name === "qmail-send");
  if (manager === undefined) {
    const rest =
      processes.length > 0
        ? `, but ${plural(processes.length, "process", "processes")} of it ${processes.length === 1 ? "is" : "are"} left`
        : "";
    return `${paint.bad("not running")}${rest}: nothing is delivered`;
  }
  const memory = bytesShown(processes.reduce((sum, process) => sum + process.memory, 0));
  return `${paint.good("running")} for ${durationShown(Math.max(0, time - manager.started))}, qmail-send is process ${manager.pid}; ${plural(processes.length, "process", "processes")}, ${memory}`;
}

/** What waits, by channel. */
export function queueTable(
  { unprocessed, channels, ...all }: QueueState,
  paint: Paint,
  width: number,
): string[] {
  const row = (name: string, { messages, recipients, bytes, oldest }: Waiting): string[] => [
    name,
    countShown(messages),
    countShown(recipients),
    bytesShown(bytes),
    age(oldest),
  ];
  const rows = [row("local", channels.local), row("remote", channels.remote), row("all", all)];
  if (unprocessed > 0) rows.push(["new", countShown(unprocessed), "-", "-", "-"]);
  return table(
    [{ title: "queue" }, right("messages"), right("recipients"), right("size"), right("oldest")],
    rows,
    width,
    paint.quiet,
  );
}

/** Processes one by one. */
export function processTable({ processes, time }: State, paint: Paint, width: number): string[] {
  const rows = processes.map(({ pid, name, memory, started, arguments: words }) => [
    String(pid),
    bytesShown(memory),
    age(Math.max(0, time - started)),
    shown([name, ...words].join(" ")),
  ]);
  return rows.length === 0
    ? []
    : table(
        [right("process"), right("memory"), right("age"), { title: "program", flexible: true }],
        rows,
        width,
        paint.quiet,
      );
}

/** For whom most waits. */
export function destinationTable(
  { destinations }: QueueState,
  paint: Paint,
  width: number,
  rows = destinations.length,
): string[] {
  if (destinations.length === 0) return [];
  const cells = destinations
    .slice(0, rows)
    .map(({ channel, name, recipients, messages, bytes, oldest }) => [
      countShown(recipients),
      countShown(messages),
      bytesShown(bytes),
      age(oldest),
      channel,
      shown(name),
    ]);
  const columns = [
    right("recipients"),
    right("messages"),
    right("size"),
    right("oldest"),
    { title: "channel" },
    { title: "destination", flexible: true },
  ];
  return table(columns, cells, width, paint.quiet);
}

/** How old the messages are. */
export function ageLines({ ages, messages }: QueueState, paint: Paint, width: number): string[] {
  if (messages === 0) return [];
  const most = Math.max(...ages.map((row) => row.messages));
  const room = Math.max(10, Math.min(40, width - 34));
  const first = ages.findIndex((row) => row.messages > 0);
  const last = ages.findLastIndex((row) => row.messages > 0);
  const rows = ages.slice(first, last + 1).map((row, index) => {
    const before = ages[first + index - 1]?.to ?? 0;
    const name = row.to === null ? `over ${durationShown(before)}` : `up to ${durationShown(row.to)}`;
    return [name, countShown(row.messages), bar(row.messages / most, room)];
  });
  return table(
    [{ title: "age" }, right("messages"), { title: "", paint: paint.waiting }],
    rows,
    width,
    paint.quiet,
  );
}

/** What happened lately, a minute on average. */
export function rateTable({ log }: State, paint: Paint, width: number): string[] {
  if (log === null) return [];
  const perMinute = (count: number, seconds: number): string => {
    const rate = (count * 60) / seconds;
    return rate === 0 ? "-" : rate >= 9.95 ? countShown(rate) : rate.toFixed(rate < 0.1 ? 2 : 1);
  };
  const rows = log.rates.map(({ seconds, messages, success, deferral, failure }) => [
    `last ${durationShown(seconds)}`,
    ...[messages, success, deferral, failure].map((count) => perMinute(count, seconds)),
  ]);
  const columns: Column[] = [
    { title: "a minute" },
    right("arrived"),
    { title: "success", right: true, paint: paint.good },
    { title: "deferral", right: true, paint: paint.waiting },
    { title: "failure", right: true, paint: paint.bad },
  ];
  return table(columns, rows, width, paint.quiet);
}

/** All of it, for `qmail status`. */
export function stateLines(state: State, paint: Paint, width: number): string[] {
  const { home, time, queue, log } = state;
  const bouncing =
    queue.bouncing > 0 ? [`${plural(queue.bouncing, "message")} with failures to be told to the sender`] : [];
  const stale =
    log !== null && log.newest === null ? [`${shown(log.path)} has no times: no rates are known`] : [];
  const sections = [
    [
      `${paint.strong("qmail status")} ${shown(home)} ${paint.quiet(timeShown(time))}`,
      processLine(state, paint),
    ],
    [...queueTable(queue, paint, width), ...bouncing],
    ageLines(queue, paint, width),
    destinationTable(queue, paint, width),
    stale.length > 0 ? stale : rateTable(state, paint, width),
    processTable(state, paint, width),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => (index === 0 ? lines : ["", ...lines]));
}
