/**
 * `npm run interop`: every row of every group is tried, and one table says how that went. The exit code is 1 if a row
 * failed.
 *
 *   npm run interop -- [--install] [--group NAME]... [--long]
 *
 * `--install` takes from Debian what the rows need (root). `--long` gives the rows that take their time a minute.
 */
import { parseArgs } from "node:util";
import { groups } from "./groups.ts";
import { install, versionOf } from "./packages.ts";
import { runGroup } from "./play.ts";
import { lacking, unable } from "./rows/row.ts";

interface Line {
  program: string;
  direction: string;
  result: string;
}

function print(lines: readonly Line[]): void {
  const width = (key: keyof Line) => Math.max(...lines.map((line) => line[key].length));
  const [first, second] = [width("program"), width("direction")];
  for (const { program, direction, result } of lines)
    console.log(`${program.padEnd(first)}  ${direction.padEnd(second)}  ${result}`);
}

const { values } = parseArgs({
  options: {
    install: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    group: { type: "string", multiple: true, default: [] },
  },
});
const wanted = groups.filter(({ name }) => values.group.length === 0 || values.group.includes(name));
if (values.install) install(wanted);
const why = unable();
const lines: Line[] = [{ program: "PROGRAM", direction: "DIRECTION", result: "RESULT" }];
const failures: string[] = [];
const counts = { passed: 0, failed: 0, "not run": 0 };
for (const group of wanted) {
  const runnable = why === undefined ? group.rows.filter((row) => lacking(group, row) === undefined) : [];
  const results = runnable.length === 0 ? new Map() : await runGroup(group, values.long);
  for (const row of group.rows) {
    const [name] = row.packages;
    const program = `${name} ${row.version ?? versionOf(group, name) ?? "-"}`;
    const outcome = results.get(row.direction);
    const lack = why ?? lacking(group, row);
    const kind = lack !== undefined ? "not run" : outcome?.failure === undefined ? "passed" : "failed";
    counts[kind]++;
    lines.push({ program, direction: row.direction, result: `${kind}: ${lack ?? outcome?.words ?? ""}` });
    if (kind === "failed") failures.push(`${program}: ${row.direction}: ${outcome?.failure}`);
  }
}
print(lines);
for (const failure of failures) console.log(`\n${failure}`);
console.log(
  `\n${Object.entries(counts)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ")}`,
);
process.exitCode = counts.failed > 0 ? 1 : 0;
