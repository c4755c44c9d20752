/** What the report calls things, in the terminal and on the page alike. */
import type { Distribution } from "../../log/durations.ts";
import type { Report, Results } from "../../log/statistics.ts";
import { bytesShown, countShown, durationShown, plural, shown, timeShown } from "../shown.ts";

/** The time that a report covers. */
export function period({ from, to, lines }: Report): string {
  if (from === null || to === null) return `${plural(lines, "line")}, without times`;
  return `${timeShown(from)} to ${timeShown(to)} (${durationShown(to - from)}), ${plural(lines, "line")}`;
}

/** An address, or what stands for none. */
export const addressName = (address: string): string =>
  address === "" ? "<> (bounces)" : address === "#@[]" ? "<#@[]> (double bounces)" : shown(address);

/** `up to 1 min`, `more than 1 d`. */
export function className(classes: Distribution["classes"], index: number): string {
  const to = classes[index]?.to;
  if (to === null || to === undefined) return `over ${durationShown(classes[index - 1]?.to ?? 0)}`;
  return `up to ${durationShown(to)}`;
}

/** All attempts, on both channels. */
export function allAttempts({ attempts: { local, remote } }: Report): Results {
  const sum = (key: keyof Results): number => local[key] + remote[key];
  return { success: sum("success"), failure: sum("failure"), deferral: sum("deferral") };
}

/** `median 0.2 s, 90 % within 3 s, 99 % within 2 min, longest 5 h`. */
export const quantiles = ({ median, p90, p99, most }: Distribution): string =>
  `median ${durationShown(median)}, 90 % within ${durationShown(p90)}, 99 % within ${durationShown(p99)}, longest ${durationShown(most)}`;

/** What is worth a note below everything else. */
export function notes(report: Report): string[] {
  const { dropped, unknownLines, alerts, messages } = report;
  const lines: string[] = [];
  if (messages.discarded > 0)
    lines.push(`${plural(messages.discarded, "double bounce")} failed and was given up.`);
  if (alerts.exits > 0)
    lines.push(`qmail-send stopped ${alerts.exits === 1 ? "once" : `${alerts.exits} times`}.`);
  if (unknownLines > 0) lines.push(`${plural(unknownLines, "line")} of the log not written by qmail-send.`);
  if (dropped > 0)
    lines.push(
      `There were too many different names: ${countShown(dropped)} rare ones are missing in the lists, not in the sums.`,
    );
  return lines;
}

/** `12,345 messages, 1.2 GB`. */
export const volume = (messages: number, bytes: number): string =>
  `${plural(messages, "message")}, ${bytesShown(bytes)}`;
