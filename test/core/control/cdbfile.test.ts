import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CdbDamaged, CdbFile } from "../../../src/core/control/cdbfile.ts";
import { CdbReplacement } from "../../../src/core/control/cdbreplacement.ts";
import { cdbLookUp } from "../../helpers/cdb.ts";

const directory = mkdtempSync(join(tmpdir(), "cdbfile-"));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, "cdb");
const temporary = `${path}.tmp`;

function replace(pairs: Readonly<Record<string, string>>): void {
  const fresh = new CdbReplacement(temporary);
  for (const [key, data] of Object.entries(pairs)) fresh.add(Buffer.from(key), Buffer.from(data));
  fresh.finish();
  fresh.moveTo(path);
}

const find = (key: string): string | undefined => cdbLookUp(path, Buffer.from(key))?.toString();

test("no file is an error that says so", () => {
  expect(() => find("a")).toThrow("ENOENT");
});

test("an open file stays what it was while it is replaced", () => {
  replace({ a: "one", "": "empty" });
  const old = new CdbFile(path);
  replace({ a: "two" });
  expect(old.find(Buffer.from("a"))?.toString()).toBe("one");
  expect(old.find(Buffer.alloc(0))?.toString()).toBe("empty");
  old.close();
  expect(find("a")).toBe("two");
  expect(existsSync(temporary)).toBe(false);
});

test("a try that is given up leaves the old file and nothing else", () => {
  replace({ a: "one" });
  const before = readFileSync(path);
  const fresh = new CdbReplacement(temporary);
  fresh.add(Buffer.from("a"), Buffer.from("two"));
  fresh.discard();
  expect(readFileSync(path)).toEqual(before);
  expect(existsSync(temporary)).toBe(false);
});

test("a file cut short is damaged, and not an absent record", () => {
  replace({ a: "one" });
  truncateSync(path, 2048 + 4);
  expect(() => find("a")).toThrow(CdbDamaged);
  writeFileSync(path, "");
  expect(() => find("a")).toThrow(CdbDamaged);
});

test("a length beyond the file asks for no memory", () => {
  replace({ a: "one" });
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(0xfffffff0, 2048 + 4);
  writeFileSync(path, bytes);
  expect(() => find("a")).toThrow(CdbDamaged);
});

test("a directory in its place is an error", () => {
  expect(() => cdbLookUp(directory, Buffer.from("a"))).toThrow();
});
