/** The table of injected faults: program, fault, runs, outcomes; as Markdown, which can be read again to go on. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Result } from "./trial.ts";

/** One row of the table. */
export interface Row {
  program: string;
  fault: string;
  /** Calls that can have it. */
  calls: number;
  runs: number;
  /** Runs in which the fault happened. */
  hits: number;
  duplicated: number;
  /** What the runs came to, and how often. */
  outcomes: string;
  /** Undocumented outcomes. */
  bad: number;
}

export function rowOf(
  program: string,
  fault: string,
  calls: number,
  results: readonly Result[],
  bad: number,
): Row {
  const counts = new Map<string, number>();
  for (const { outcome } of results) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const told = [...counts].sort(([, a], [, b]) => b - a).map(([outcome, count]) => `${outcome}: ${count}`);
  return {
    ...{ program, fault, calls, runs: results.length },
    hits: results.filter(({ hit }) => hit).length,
    duplicated: results.reduce((sum, { duplicated }) => sum + duplicated, 0),
    ...{ outcomes: told.join("; "), bad },
  };
}

const heads = ["program", "fault", "calls", "runs", "met", "outcomes", "twice", "undocumented"] as const;

const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

const cellsOf = (row: Row): (string | number)[] => [
  ...[row.program, row.fault, row.calls, row.runs, row.hits],
  ...[row.outcomes, row.duplicated, row.bad],
];

/** The rows that a file has from another time. */
export function rowsIn(path: string): Row[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((text) => /^\| .* \| \d+ \|$/.test(text))
    .map((text) => {
      const [program = "", fault = "", calls, runs, hits, outcomes = "", twice, bad] = text
        .slice(2, -2)
        .split(" | ");
      return {
        ...{ program, fault, outcomes, calls: Number(calls), runs: Number(runs), hits: Number(hits) },
        ...{ duplicated: Number(twice), bad: Number(bad) },
      };
    });
}

/** Writes the table, below a head that says what it is. */
export function writeTable(path: string, head: string, rows: readonly Row[]): void {
  const sum = (key: "calls" | "runs" | "hits" | "duplicated" | "bad"): number =>
    rows.reduce((total, row) => total + row[key], 0);
  const sums = [sum("calls"), sum("runs"), sum("hits"), "", sum("duplicated"), sum("bad")];
  const all = ["all", "", ...sums].map((cell) => (cell === "" ? "" : `**${cell}**`));
  const table = [line(heads), line(heads.map(() => "---")), ...rows.map((row) => line(cellsOf(row)))];
  writeFileSync(path, `${head}\n${[...table, line(all)].join("\n")}\n`);
}
