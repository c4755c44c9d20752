/** The commands of qmail(1): each, and each of its options, is in the manual, in the help, and well-formed. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CommandRow } from "../../src/core/cli/options.ts";
import { commands } from "../../src/programs/qmail.ts";

const folder = resolve(import.meta.dir, "../../man");
/** qmail(1), and the pages of its commands. */
const pages = readdirSync(folder)
  .filter((name) => /^qmail(-[\w-]+)?\.1$/.test(name))
  .map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));

interface Named {
  /** `user add`. */
  name: string;
  row: CommandRow;
}

function named(rows: readonly CommandRow[], above = ""): Named[] {
  return rows.flatMap((row) => {
    const name = `${above}${row.usage.split(" ")[0]}`;
    return [{ name, row }, ...named(row.commands ?? [], `${name} `)];
  });
}

const escapeWord = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const says = (text: string, macro: string, word: string): boolean =>
  new RegExp(`(^\\.(It |Op )?|\\s)${macro}( \\S+ \\|| \\S+ ,)* ${escapeWord(word)}(?=[\\s,.]|$)`, "m").test(
    text,
  );

const all = named(commands);

for (const { name, row } of all.filter(({ row }) => row.run !== undefined))
  test(`qmail ${name} is in the manual with all of its options`, () => {
    // A page of its own tells more than qmail(1).
    const begins = (nm: string) => new RegExp(`^\\.Nm${nm}\\n\\.Cm (.* \\| )?${name}( |$)`, "m");
    const page =
      pages.find(({ text }) => begins(" qmail").test(text)) ??
      pages.find(({ text }) => begins("").test(text));
    if (page === undefined) throw new Error(`no page has qmail ${name} in its SYNOPSIS`);
    const flags = (row.options ?? []).flatMap(([each]) => each.match(/(?<=^|[ ,])--?[\w-]+/g) ?? []);
    expect(
      flags.filter(
        (flag) => !says(page.text, "Fl", flag.slice(1)) && !page.text.includes(`| ${flag.slice(1)}`),
      ),
    ).toEqual([]);
  });

test("qmail(1) names every command", () => {
  const text = pages.find(({ name }) => name === "qmail.1")?.text ?? "";
  const unnamed = named(commands)
    .map(({ name }) => name.split(" ")[0] ?? "")
    .filter((name) => !new RegExp(`^\\.It Cm ${name}\\b`, "m").test(text));
  expect(unnamed).toEqual([]);
});

test("every command has a group, and examples that name it", () => {
  for (const row of commands)
    expect([row.usage, row.group]).toEqual([row.usage, expect.stringMatching(/^[A-Z].*:$/)]);
  for (const { name, row } of all)
    for (const example of row.examples ?? []) expect(example).toContain(`qmail ${name}`);
});
