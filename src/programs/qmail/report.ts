/** `qmail report`: statistics of a log, for a terminal, a browser or a program. */
import { linesOf, logFiles, sizeOf } from "../../core/cli/log/source.ts";
import { type CommandRow, type Given, homeOption, textOf } from "../../core/cli/options.ts";
import { Progress } from "../../core/cli/progress.ts";
import { reportPage } from "../../core/cli/report/html.ts";
import { reportLines } from "../../core/cli/report/text.ts";
import { shown } from "../../core/cli/shown.ts";
import { refuse } from "../../core/cli/trouble.ts";
import { LogReader } from "../../core/log/line.ts";
import { type Report, Statistics } from "../../core/log/statistics.ts";
import { Tracker } from "../../core/log/tracker.ts";
import { chooseHome, colours, say, widthOfOutput } from "./say.ts";

const defaultRows = 15;
const mostRows = 10_000;

export const reportCommand: CommandRow = {
  usage: "report [file...]",
  summary: "statistics of a log: deliveries, reasons, senders, recipients, hosts, delays",
  group: "Looking:",
  options: [
    ["--html", "one page for a browser, with charts"],
    ["--json", "one JSON object"],
    ["--top <number>", `entries in each list (default: ${defaultRows})`],
    homeOption,
  ],
  examples: ["qmail report /var/log/qmail", "qmail report --html log > report.html"],
  run: make,
};

async function make(given: Given): Promise<number> {
  chooseHome(given);
  const { html, json } = given.options;
  if (html === true && json === true) throw refuse("--html and --json: choose one of them");
  const report = await read(logFiles(given.names), rowsOf(given));
  if (json === true)
    say(JSON.stringify(report, (_, value) => (typeof value === "string" ? shown(value) : value)));
  else if (html === true) say(reportPage(report, Date.now() / 1000));
  else for (const line of reportLines(report, colours, widthOfOutput())) say(line);
  return 0;
}

function rowsOf(given: Given): number {
  const text = textOf(given, "top") ?? String(defaultRows);
  const rows = Number(text);
  if (/^\d+$/.test(text) && rows >= 1 && rows <= mostRows) return rows;
  throw refuse(`--top takes a number from 1 to ${mostRows}, not "${text}"`);
}

async function read(files: readonly string[], rows: number): Promise<Report> {
  const reader = new LogReader(Date.now() / 1000);
  const tracker = new Tracker();
  const statistics = new Statistics();
  const progress = new Progress(sizeOf(files));
  for await (const lines of linesOf(files, (bytes) => progress.add(bytes)))
    for (const line of lines) for (const whole of reader.push(line)) statistics.add(tracker.feed(whole));
  for (const whole of reader.end()) statistics.add(tracker.feed(whole));
  progress.end();
  return statistics.report(rows);
}
