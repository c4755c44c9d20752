/** The manual: every program has its page, every page is well-formed, and every cross reference leads somewhere. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { commands } from "../../src/programs/qmail.ts";
import { programs } from "../../src/programs.ts";

const folder = resolve(import.meta.dir, "../../man");
const pages = readdirSync(folder).sort();
const text = (page: string): string => readFileSync(join(folder, page), "latin1");

/** Pages of the operating system that ours may name. */
const system: ReadonlySet<string> = new Set(
  "biff.1 fsync.2 flock.2 link.2 open.2 syncfs.2 getpwnam.3 syslog.3 tzset.3 passwd.5 utmp.5".split(" "),
);

/** What a page of a program has to say. */
const sections = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"] as const;

const hasMandoc = spawnSync("mandoc", ["-Tlint", "/dev/null"]).error === undefined;

/** Cross references of a page, as file names: `qmail-queue.8`. */
function references(source: string): string[] {
  const found = source.matchAll(/(?:^\.|\s)Xr ([\w.-]+) (\d)/gm);
  return [...found].map(([, name, section]) => `${name}.${section}`);
}

test.skipIf(!hasMandoc)(
  `mandoc finds nothing to warn about${hasMandoc ? "" : " (mandoc is not installed)"}`,
  () => {
    const lint = spawnSync("mandoc", ["-Tlint", "-Wwarning", ...pages], { cwd: folder, encoding: "utf8" });
    const ours = lint.stdout.split("\n").filter((line) => line !== "" && !line.includes("mandoc.db"));
    expect(ours).toEqual([]);
  },
);

for (const { name, section, summary } of programs) {
  test(`${name}(${section}) describes the program`, () => {
    const page = `${name}.${section}`;
    expect(pages).toContain(page);
    const lines = text(page).split("\n");
    expect(lines.filter((line) => line.startsWith(".Nd "))).toEqual([`.Nd ${summary}`]);
    expect(sections.filter((heading) => !lines.includes(`.Sh ${heading}`))).toEqual([]);
  });
}

for (const page of pages) {
  test(`${page} names itself, and pages that exist`, () => {
    const [, name, section] = /^(.+)\.(\d)$/.exec(page) ?? [];
    const source = text(page);
    const lines = source.split("\n");
    expect(lines.slice(1, 2)).toEqual([`.Dt ${name?.toUpperCase()} ${section}`]);
    expect(lines.find((line) => line.startsWith(".Nm "))).toBe(`.Nm ${name}`);
    const missing = references(source).filter((target) => !pages.includes(target) && !system.has(target));
    expect(missing).toEqual([]);
  });
}

/** Pages of sections 1 and 8 about programs that users write, and about commands of qmail(1) under another name. */
const interfaces: readonly string[] = ["qmail-command.8", "qmail-queue-tools.1"];

/** Pages of commands of qmail(1): `qmail import` is qmail-import(1). */
const subcommands = commands.map(({ usage }) => `qmail-${usage.split(" ")[0]}.1`);

test("every page in the sections of programs describes a program", () => {
  const described = new Set(programs.map(({ name, section }) => `${name}.${section}`));
  const isKnown = (page: string) => described.has(page) || subcommands.includes(page);
  const others = pages.filter((page) => /\.[18]$/.test(page) && !isKnown(page));
  expect(others).toEqual([...interfaces]);
});

test("qmail(7) leads to every page", () => {
  const named = new Set(references(text("qmail.7")));
  expect(pages.filter((page) => page !== "qmail.7" && !named.has(page))).toEqual([]);
});
