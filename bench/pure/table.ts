/** What the bench prints: for a terminal and for Markdown the same table. */
import { advantage, type Summary, spread } from "./stats.ts";

/** A figure that a workload gives. */
export interface Figure {
  key: string;
  /** What a person reads above it, with its unit. */
  title: string;
  digits: number;
  better: "more" | "less";
}

/** What one mail system did in a workload: figures by key, or why there are none. */
export type Row = { peer: string } & (
  | { summaries: Readonly<Record<string, Summary>>; refusal?: undefined }
  | { refusal: string }
);

/** A number with a fixed number of digits, `-` for none. */
export function shown(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "-";
}

/** The median, and in parentheses least and most where the rounds differ. */
export function cell(summary: Summary | undefined, digits: number): string {
  if (summary === undefined) return "-";
  const { median, least, most, rounds } = summary;
  if (rounds < 2) return shown(median, digits);
  const percent = Math.round(spread(summary) * 100);
  return `${shown(median, digits)} (${shown(least, digits)}-${shown(most, digits)}, ${percent}%)`;
}

/** Lines of a Markdown table, aligned, so that a terminal shows it as well: figures down, systems across. */
export function table(figures: readonly Figure[], rows: readonly Row[]): string[] {
  const able = rows.filter((row) => row.refusal === undefined);
  const [first, ...others] = able;
  const head = ["", ...rows.map(({ peer }) => peer), ...others.map((other) => ratioTitle(first, other))];
  const body = figures.map(({ key, title, digits, better }) => {
    const of = (row: Row | undefined) => (row?.refusal === undefined ? row?.summaries[key] : undefined);
    const ratios = others.map((other) => {
      const ratio = advantage(of(first)?.median ?? Number.NaN, of(other)?.median ?? Number.NaN, better);
      return ratio === undefined ? "-" : `x ${ratio.toFixed(2)}`;
    });
    return [title, ...rows.map((row) => cell(of(row), digits)), ...ratios];
  });
  return aligned([head, ...body]);
}

function ratioTitle(first: Row | undefined, other: Row): string {
  return `${first?.peer ?? ""} : ${other.peer}`;
}

/** Lines of a Markdown table of such rows, the first of them its head: the first column to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(3, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]) =>
    `| ${widths.map((width, column) => padded(row[column] ?? "", width, column)).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(rows[0] ?? []), line(rule), ...rows.slice(1).map(line)];
}

const padded = (text: string, width: number, column: number): string =>
  column === 0 ? text.padEnd(width) : text.padStart(width);
