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
import { type Group, lacking, type Row, unable } from "./rows/row.ts";

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
const programOf = (group: Group, { packages: [name], version }: Row): string =>
  `${name} ${version ?? versionOf(group, name) ?? "-"}`;
const directions = wanted.flatMap(({ rows }) => rows.map(({ direction }) => direction));
const programs = wanted.flatMap((group) => group.rows.map((row) => programOf(group, row)));
const [first, second] = [programs, directions].map((all) => Math.max(...all.map((text) => text.length)));
const print = (program: string, direction: string, result: string): void =>
  console.log(`${program.padEnd(first ?? 0)}  ${direction.padEnd(second ?? 0)}  ${result}`);

const failures: string[] = [];
const counts = { passed: 0, failed: 0, "not run": 0 };
print("PROGRAM", "DIRECTION", "RESULT");
for (const group of wanted) {
  const runnable = why === undefined ? group.rows.filter((row) => lacking(group, row) === undefined) : [];
  const results = runnable.length === 0 ? new Map() : await runGroup(group, values.long ? "long" : "usual");
  for (const row of group.rows) {
    const program = programOf(group, row);
    const outcome = results.get(row.direction);
    const lack = why ?? lacking(group, row);
    const kind = lack !== undefined ? "not run" : outcome?.failure === undefined ? "passed" : "failed";
    counts[kind]++;
    print(program, row.direction, `${kind}: ${lack ?? outcome?.words ?? ""}`);
    if (kind === "failed") failures.push(`${program}: ${row.direction}: ${outcome?.failure}`);
  }
}
for (const failure of failures) console.log(`\n${failure}`);
console.log(
  `\n${Object.entries(counts)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ")}`,
);
process.exitCode = counts.failed > 0 ? 1 : 0;
