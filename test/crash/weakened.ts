/**
 * Does the harness find what it looks for? The programs are built without some of their barriers, and power-cut.ts must
 * find losses or torn messages then; and with other faults, which inject.ts must find.
 *
 *   bun test/crash/weakened.ts [--cuts 20] [--scratch DIR] [--only cuts|faults]
 *
 * `--cuts`: so many at the most, until the first that finds something.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Row } from "./power-cut.ts";
import { printTable } from "./table.ts";
import { type Edited, type Mistake, mistakes, type Weakness, weaknesses } from "./weaknesses.ts";

const root = resolve(import.meta.dir, "../..");

/** What scripts/build.ts reads. */
const sources = [
  ...["src", "scripts", "man", "native", "service"],
  ...["package.json", "package-lock.json", "tsconfig.json"],
];

/** Builds the programs without it; returns their directory. */
function build({ name, edits }: Edited, scratch: string): string {
  const copy = mkdtempSync(join(scratch, "weakened-"));
  for (const part of sources) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  for (const [file, from, to] of edits) {
    const path = join(copy, "src", file);
    const text = readFileSync(path, "utf8");
    if (!text.includes(from)) throw new Error(`weakened: "${name}" does not fit ${file} any more`);
    writeFileSync(path, text.replace(from, to));
  }
  const result = Bun.spawnSync([process.execPath, "scripts/build.ts"], { cwd: copy, stderr: "pipe" });
  if (result.exitCode !== 0) throw new Error(`weakened: unable to build: ${result.stderr.toString()}`);
  return join(copy, "dist/bin");
}

function cutPower(programs: string, { kind, cache }: Weakness, cuts: string, scratch: string): Row {
  const words = [
    "--kind",
    kind,
    "--cache",
    cache,
    "--cuts",
    cuts,
    "--scratch",
    scratch,
    "--json",
    "--until-bad",
  ];
  const result = Bun.spawnSync([process.execPath, join(import.meta.dir, "power-cut.ts"), ...words], {
    env: { ...process.env, QMAIL_TS_BIN: programs },
    stderr: "inherit",
  });
  const [row] = JSON.parse(result.stdout.toString()) as Row[];
  if (row === undefined) throw new Error("weakened: power-cut.ts said nothing");
  return row;
}

/** Whether inject.ts complains. */
function isFound(programs: string, { words }: Mistake): boolean {
  const result = Bun.spawnSync([process.execPath, join(import.meta.dir, "inject.ts"), ...words], {
    env: { ...process.env, QMAIL_TS_BIN: programs },
  });
  const found = result.exitCode === 1 && !result.stderr.includes("error:");
  if (!found) console.error(result.stdout.toString() + result.stderr.toString());
  return found;
}

const { values } = parseArgs({
  options: {
    cuts: { type: "string", default: "20" },
    scratch: { type: "string", default: tmpdir() },
    only: { type: "string", default: "" },
  },
});
const scratch = mkdtempSync(join(values.scratch, "qmail-weakened-"));
const missed: string[] = [];
try {
  const rows = (values.only === "faults" ? [] : weaknesses).map((weakness) => {
    const row = cutPower(build(weakness, scratch), weakness, values.cuts, scratch);
    console.error(`${weakness.name}: ${row.bad > 0 ? `found by cut ${row.firstBad}` : "not found"}`);
    return { without: weakness.name, ...row };
  });
  if (rows.length > 0) printTable("power cuts of programs without barriers", rows);
  missed.push(...rows.filter(({ bad }) => bad === 0).map(({ without }) => without));
  for (const mistake of values.only === "cuts" ? [] : mistakes) {
    const found = isFound(build(mistake, scratch), mistake);
    console.log(`${mistake.name}: ${found ? "found" : "not found"}`);
    if (!found) missed.push(mistake.name);
  }
  if (missed.length > 0) console.log(`nothing was found with: ${missed.join(", ")}`);
  process.exitCode = missed.length > 0 ? 1 : 0;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
