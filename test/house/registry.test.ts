/** The registry, bin/, package.json and the manual name the same programs. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { differing } from "../../scripts/launchers.ts";
import { version } from "../../src/core/cli/version.ts";
import { programs } from "../../src/programs.ts";

const root = resolve(import.meta.dir, "../..");
const description = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

test("bin/ and package.json are as `npm run launchers` makes them", () => {
  expect(differing()).toEqual([]);
});

test("the registry is sorted and names nothing twice", () => {
  const names = programs.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)].sort());
});

test("every program is a file of its name, and has a page in the manual", () => {
  const missing = programs.flatMap(({ name, section }) => [
    ...(existsSync(join(root, `src/programs/${name}.ts`)) || existsSync(join(root, `src/programs/${name}/`))
      ? []
      : [`src/programs/${name}.ts`]),
    ...(existsSync(join(root, `man/${name}.${section}`)) ? [] : [`man/${name}.${section}`]),
  ]);
  expect(missing).toEqual([]);
});

test("the version is said once", () => {
  expect(version).toBe(description.version);
});

test("packages have exact versions", () => {
  const { dependencies, devDependencies, optionalDependencies } = description;
  const wanted: Record<string, string> = { ...dependencies, ...devDependencies, ...optionalDependencies };
  expect(Object.entries(wanted).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([]);
});
