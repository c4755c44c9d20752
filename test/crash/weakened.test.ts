/** The long form of weakened.ts builds programs without a barrier: here, that there still is what it takes out. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mistakes, weaknesses } from "./weaknesses.ts";

for (const { name, edits } of [...weaknesses, ...mistakes])
  test(`what is taken out for "${name}" is there`, () => {
    for (const [file, from] of edits)
      expect(readFileSync(join(import.meta.dir, "../../src", file), "utf8")).toContain(from);
  });
