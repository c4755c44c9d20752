/** bench/RESULTS.md: what has to be shown first, then a section for each workload; a run replaces what it measured. */
import type { Shown } from "./must.ts";
import { aligned } from "./table.ts";

/** What a run brings. */
export interface Run {
  /** Where and how it ran. */
  head: string;
  /** Lines of the workloads, each beginning with a line `## NAME`. */
  lines: readonly string[];
  rows: readonly Shown[];
  /** When, and how many rounds. */
  when: string;
}

const title = "# Results";
const summary = "## Must show";
const columns = ["what", "target", "figure", "reached", "measured"];

/** The file, after a run; `order`: the first cells of all rows that there can be. */
export function merged(before: string, { head, lines, rows, when }: Run, order: readonly string[]): string {
  const sections = new Map<string, string>();
  for (const section of parts(before)) sections.set(nameOf(section), section);
  const table = rowsOf(sections.get(summary) ?? "");
  sections.delete(summary);
  for (const section of parts(lines.join("\n")))
    sections.set(nameOf(section), `${section}\n\nMeasured ${head.trim()}`);
  for (const { what, target, figure, reached } of rows)
    table.set(what, [what, target, figure, reached, when]);
  const known = order.flatMap((what) => {
    const row = table.get(what);
    return row === undefined ? [] : [row];
  });
  const first = known.length === 0 ? [] : [`${summary}\n\n${aligned([columns, ...known]).join("\n")}`];
  return `${[title, ...first, ...sections.values()].join("\n\n")}\n`;
}

const parts = (text: string): string[] =>
  text
    .split(/^(?=## )/m)
    .filter((part) => part.startsWith("## "))
    .map((part) => part.trimEnd());

const nameOf = (section: string): string => section.split("\n")[0] ?? "";

/** Rows of a table by their first cells. */
function rowsOf(section: string): Map<string, string[]> {
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  const cells = lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
  return new Map(cells.map((row) => [row[0] ?? "", row]));
}
