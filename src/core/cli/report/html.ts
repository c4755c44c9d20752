/** The report as one page that needs nothing else: no script, no font, no picture from elsewhere. */
import type { Distribution } from "../../log/durations.ts";
import type { Reason, Report, Results } from "../../log/statistics.ts";
import { bytesShown, countShown, durationShown, plural, shareShown, shown, timeShown } from "../shown.ts";
import { timelineChart } from "./chart.ts";
import { style } from "./style.ts";
import { addressName, allAttempts, className, notes, period, quantiles, volume } from "./words.ts";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? "");

/** The page. `now`: Unix time at which it is made. */
export function reportPage(report: Report, now: number): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mail report</title>
<style>${style}</style>
</head>
<body>
<main>
<header><h1>Mail report</h1><p>${escaped(period(report))}</p></header>
${tiles(report)}
${timeline(report)}
<div class="pair">
${distribution("Delay", "from a message's arrival to each delivery", report.delay)}
${distribution("Duration", "of each successful attempt", report.duration)}
</div>
<div class="pair">
${reasons("Deferrals by reason", report.deferrals, "wait")}
${reasons("Failures by reason", report.failures, "bad")}
</div>
${hosts(report)}
<div class="pair">
${senders(report)}
${recipients(report)}
</div>
<div class="pair">
${channels(report)}
${users(report)}
</div>
${alerts(report)}
<footer>${notes(report)
    .map((note) => `<p>${escaped(note)}</p>`)
    .join(
      "",
    )}<p>Made ${escaped(timeShown(now))} by qmail report. All times are local to the mail host.</p></footer>
</main>
</body>
</html>`;
}

/** A part of the page; nothing where it has no content. */
function section(title: string, about: string, content: string, aside = ""): string {
  if (content === "") return "";
  const words = about === "" ? "" : `<p class="about">${escaped(about)}</p>`;
  return `<section><div class="head"><h2>${escaped(title)}</h2>${words}${aside}</div>${content}</section>`;
}

function tiles(report: Report): string {
  const { messages, delay } = report;
  const all = allAttempts(report);
  const sum = all.success + all.deferral + all.failure;
  const rows: readonly (readonly [kind: string, value: string, words: string])[] = [
    ["", countShown(messages.new), `messages arrived, ${bytesShown(messages.bytes)}`],
    ["good", countShown(all.success), `delivered, ${shareShown(all.success, sum)} of all attempts`],
    ["wait", countShown(all.deferral), `deferred, ${shareShown(all.deferral, sum)}`],
    [
      "bad",
      countShown(all.failure),
      `failed, ${shareShown(all.failure, sum)}; ${plural(messages.bouncesOut, "bounce")}`,
    ],
    [
      "",
      delay.count === 0 ? "-" : durationShown(delay.median),
      delay.count === 0 ? "no delays known" : `median delay, 99 % within ${durationShown(delay.p99)}`,
    ],
  ];
  const tile = ([kind, value, words]: (typeof rows)[number]): string =>
    `<div class="tile ${kind}"><b>${escaped(value)}</b><span>${escaped(words).replace(/(\d) (?=[a-zA-Z%])/g, "$1&nbsp;")}</span></div>`;
  return `<div class="tiles">${rows.map(tile).join("")}</div>`;
}

const legend = `<div class="legend"><span><i class="good-fill"></i>success</span><span><i class="wait-fill"></i>deferral</span><span><i class="bad-fill"></i>failure</span></div>`;

function timeline({ timeline: line }: Report): string {
  if (line.points.length < 2) return "";
  return section(
    "Attempts over time",
    `each bar ${durationShown(line.step)}`,
    `<div class="scroll">${timelineChart(line)}</div>`,
    legend,
  );
}

function distribution(title: string, about: string, { count, classes, ...rest }: Distribution): string {
  if (count === 0) return "";
  const most = Math.max(...classes.map((row) => row.count));
  const last = classes.findLastIndex((row) => row.count > 0);
  const bars = classes.slice(0, last + 1).map((row, index) => {
    const width =
      row.count === 0
        ? ""
        : `<i class="good-fill" style="width:${((row.count / most) * 100).toFixed(1)}%"></i>`;
    return `<span>${escaped(className(classes, index))}</span><div class="track" title="${escaped(plural(row.count, "delivery", "deliveries"))}">${width}</div><span class="n">${escaped(shareShown(row.count, count))}</span>`;
  });
  return section(
    title,
    about,
    `<div class="bars">${bars.join("")}</div><p class="about" style="margin-top:12px">${escaped(quantiles({ count, classes, ...rest }))}</p>`,
  );
}

function reasons(title: string, rows: readonly Reason[], kind: "wait" | "bad"): string {
  if (rows.length === 0) return "";
  const most = Math.max(...rows.map(({ count }) => count));
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  const lines = rows.map(({ reason, count, example }) => {
    const width = ((count / most) * 100).toFixed(1);
    const detail = `<details><summary>${escaped(shown(reason))}</summary><code>${escaped(shown(example))}</code></details>`;
    return `<tr><td>${detail}<div class="mix"><i class="${kind}-fill" style="width:${width}%"></i></div></td>${cell(countShown(count))}${cell(shareShown(count, total))}</tr>`;
  });
  return section(
    title,
    "",
    `<table><tr><th>reason</th><th class="n">count</th><th class="n">share</th></tr>${lines.join("")}</table>`,
  );
}

const cell = (text: string, kind = ""): string =>
  `<td class="n ${text === "0" || text === "-" ? "zero" : kind}">${escaped(text)}</td>`;
const resultCells = ({ success, deferral, failure }: Results): string =>
  cell(countShown(success)) + cell(countShown(deferral), "wait") + cell(countShown(failure), "bad");
const resultHeads = `<th class="n">success</th><th class="n">deferral</th><th class="n">failure</th>`;

/** How the results of attempts are mixed. */
function mix({ success, deferral, failure }: Results): string {
  const sum = success + deferral + failure;
  const part = (count: number, kind: string): string =>
    count === 0 ? "" : `<i class="${kind}-fill" style="flex:${count}"></i>`;
  if (sum === 0) return "";
  return `<div class="mix" title="${escaped(shareShown(success, sum))} success">${part(success, "good")}${part(deferral, "wait")}${part(failure, "bad")}</div>`;
}

function list(heads: string, lines: readonly string[]): string {
  return lines.length === 0
    ? ""
    : `<div class="scroll"><table><tr>${heads}</tr>${lines.join("")}</table></div>`;
}

function hosts({ hosts: rows }: Report): string {
  const lines = rows.map(
    (row) =>
      `<tr><td class="name">${escaped(shown(row.name))}</td><td>${mix(row)}</td>${cell(countShown(row.attempts))}${resultCells(row)}${cell(row.meanDuration === null ? "-" : durationShown(row.meanDuration))}</tr>`,
  );
  return section(
    "Hosts",
    "mean: how long an attempt takes",
    list(
      `<th>host</th><th style="width:26%">results</th><th class="n">attempts</th>${resultHeads}<th class="n">mean</th>`,
      lines,
    ),
    legend,
  );
}

function senders({ senders: rows }: Report): string {
  const lines = rows.map(
    (row) =>
      `<tr><td class="name">${escaped(addressName(row.name))}</td>${cell(countShown(row.messages))}${cell(bytesShown(row.bytes))}${resultCells(row)}</tr>`,
  );
  return section(
    "Senders",
    "",
    list(`<th>sender</th><th class="n">messages</th><th class="n">size</th>${resultHeads}`, lines),
  );
}

function recipients({ recipients: rows }: Report): string {
  const lines = rows.map(
    (row) =>
      `<tr><td class="name">${escaped(shown(row.name))}</td>${cell(countShown(row.attempts))}${resultCells(row)}</tr>`,
  );
  return section(
    "Recipients",
    "",
    list(`<th>recipient</th><th class="n">attempts</th>${resultHeads}`, lines),
  );
}

function channels({ attempts, peak, messages }: Report): string {
  const lines = (["local", "remote"] as const).map((channel) => {
    const { running, limit } = peak[channel];
    const most = limit === 0 ? "-" : `${running} of ${limit}`;
    return `<tr><td class="name">${channel}</td>${resultCells(attempts[channel])}${cell(most)}</tr>`;
  });
  const about = `${plural(messages.ended, "message")} ended, the largest had ${bytesShown(messages.largest)}`;
  return section(
    "Channels",
    about,
    list(`<th>channel</th>${resultHeads}<th class="n">most at a time</th>`, lines),
  );
}

function users({ users: rows }: Report): string {
  const lines = rows.map(
    (row) =>
      `<tr><td class="name">uid ${escaped(row.name)}</td>${cell(countShown(row.messages))}${cell(bytesShown(row.bytes))}</tr>`,
  );
  const sum = rows.reduce(
    (total, row) => ({ messages: total.messages + row.messages, bytes: total.bytes + row.bytes }),
    { messages: 0, bytes: 0 },
  );
  return section(
    "Users who queued",
    volume(sum.messages, sum.bytes),
    list(`<th>user</th><th class="n">messages</th><th class="n">size</th>`, lines),
  );
}

function alerts({ alerts: { alerts: count, warnings, last } }: Report): string {
  const lines = last.map(
    ({ time, text }) =>
      `<tr><td class="time">${time === null ? "" : escaped(timeShown(time))}</td><td>${escaped(shown(text))}</td></tr>`,
  );
  return section(
    "Alerts and warnings",
    `${countShown(count)} and ${countShown(warnings)}; the last of them`,
    list("<th>time</th><th>text</th>", lines),
  );
}
