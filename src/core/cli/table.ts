/** Tables and bars for a terminal. */
import { cutTo, padTo, widthOf } from "./shown.ts";

/** A column. The one that is `flexible` gives way where the terminal is narrow. */
export interface Column {
  title: string;
  right?: boolean;
  flexible?: boolean;
  /** Colours a cell, after it was cut and filled up. */
  paint?: (text: string) => string;
}

const gap = "  ";

/** The lines of a table, no wider than `width` if a flexible column can give way. Blanks at the end are left out. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  title = (text: string): string => text,
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[index] ?? ""))),
  );
  const excess = widths.reduce((sum, each) => sum + each, 0) + gap.length * (columns.length - 1) - width;
  const flexible = columns.findIndex((column) => column.flexible === true);
  if (excess > 0 && flexible >= 0) widths[flexible] = Math.max(8, (widths[flexible] ?? 0) - excess);
  const line = (cells: readonly string[], painted: boolean): string => {
    const parts = columns.map((column, index) => {
      const last = index === columns.length - 1 && column.right !== true;
      const room = widths[index] ?? 0;
      const cut = cutTo(cells[index] ?? "", room);
      const text = last ? cut : padTo(cut, room, column.right === true ? "right" : "left");
      return painted && column.paint !== undefined ? column.paint(text) : text;
    });
    return parts.join(gap);
  };
  const head = columns.map((column) => column.title);
  const heads = head.every((each) => each === "") ? [] : [title(line(head, false).trimEnd())];
  return [...heads, ...rows.map((row) => line(row, true).trimEnd())];
}

/** A sentence in lines of at most `width` columns, where its words allow it. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length > 0 && widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"] as const;

/** A horizontal bar of at most `width` columns, exact to an eighth; what is not nothing shows at least an eighth. */
export function bar(share: number, width: number): string {
  const units = share <= 0 ? 0 : Math.max(1, Math.round(Math.min(1, share) * width * 8));
  return "█".repeat(Math.floor(units / 8)) + eighths[units % 8];
}

const levels = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** A row of vertical bars, one column each, `height` lines high: the upper lines come first. */
export function columnsOf(values: readonly number[], height: number, most = Math.max(...values)): string[] {
  const units = values.map((value) =>
    value <= 0 || most <= 0 ? 0 : Math.max(1, Math.round((value / most) * height * 8)),
  );
  return Array.from({ length: height }, (_, line) => {
    const below = (height - 1 - line) * 8;
    return units.map((unit) => levels[Math.max(0, Math.min(8, unit - below))] ?? " ").join("");
  });
}

/** Sums of neighbours, so that there are at most `count`. */
export function merged(values: readonly number[], count: number): number[] {
  const size = Math.max(1, Math.ceil(values.length / count));
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size).reduce((sum, value) => sum + value, 0),
  );
}
