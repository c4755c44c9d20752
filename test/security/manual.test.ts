/** qmail-security(7): every row names a test, and every test that it names is there. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "../..");
const page = readFileSync(join(root, "man/qmail-security.7"), "latin1");

/** `test/.../x.test.ts` and words of a test in it. */
const named = [...page.matchAll(/^\.Pa (test\/\S+) , Dq (.*)$/gm)].map(
  ([, file = "", words = ""]) => [file, words] as const,
);

/** A test file, and the files beside it that its rows come from. */
function sourceOf(file: string): string {
  const base = join(root, file.replace(/\.test\.ts$/, ""));
  const files = [`${base}.test.ts`, `${base}.ts`, `${base}-rows.ts`].filter((path) => existsSync(path));
  return files.map((path) => readFileSync(path, "utf8")).join("\n");
}

test.each(named)("%s has %s", (file, words) => {
  expect(existsSync(join(root, file))).toBe(true);
  expect(sourceOf(file)).toContain(words);
});

test("every row of THREATS names a test", () => {
  const [, threats = ""] = /^\.Sh THREATS\n([\s\S]*?)^\.Sh /m.exec(page) ?? [];
  const rows = threats.split(/^\.It /m).slice(1);
  expect(rows.length).toBeGreaterThan(30);
  expect(rows.filter((row) => !/^\.Pa test\/\S+ , Dq /m.test(row)).map((row) => row.split("\n")[0])).toEqual(
    [],
  );
});
