import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { CdbReplacement } from "../../../src/core/control/cdbreplacement.ts";
import { parseAssignLine, wildcardsKey } from "../../../src/core/users/assign.ts";
import { findRecord, parseRecord, UsersDamaged } from "../../../src/core/users/lookup.ts";

const home = mkdtempSync(join(tmpdir(), "lookup-"));
const before = process.env.QMAILHOME;
beforeAll(() => {
  process.env.QMAILHOME = home;
  mkdirSync(join(home, "users"));
});
afterAll(() => {
  if (before === undefined) delete process.env.QMAILHOME;
  else process.env.QMAILHOME = before;
  rmSync(home, { recursive: true });
});

/** Compiles assignments as qmail-newu does. */
function compile(lines: readonly string[], withWildcards = true): void {
  const cdb = new CdbReplacement(join(home, "users/cdb.tmp"));
  const wildcards: number[] = [];
  for (const line of lines) {
    const parsed = parseAssignLine(Buffer.from(`${line}\n`));
    if (parsed.kind !== "assignment") throw new Error(`bad line ${line}`);
    cdb.add(parsed.key, parsed.data);
    if (parsed.wildcard !== undefined) wildcards.push(parsed.wildcard);
  }
  if (withWildcards) cdb.add(wildcardsKey, Buffer.from(wildcards));
  cdb.finish();
  cdb.moveTo(join(home, "users/cdb"));
}

/** The user and the extension an address leads to. */
function lookUp(local: string): string | undefined {
  const record = findRecord(Buffer.from(local));
  const found = record && parseRecord(record);
  return found && `${found.user}/${found.dash}${found.extension}`;
}

const lines = [
  "=joe:exact:1:1:/h:::",
  "+joe-:dash:1:1:/h:-::",
  "+joe-list-:list:1:1:/h:-:pre-:",
  "+x:letter:1:1:/h:::",
  "+:all:1:1:/h:-::",
  "=joe:second:1:1:/h:::",
];
const rows = [
  ["joe", "exact/"],
  ["JOE", "exact/"],
  ["joe-", "dash/-"],
  ["Joe-Ext", "dash/-Ext"],
  ["joe-list-Bob", "list/-pre-Bob"],
  ["joe-lists", "dash/-lists"],
  ["joes", "all/-joes"],
  ["xyz", "letter/yz"],
  ["", "all/-"],
] as const;
for (const [local, expected] of rows)
  test(`${local} belongs to ${expected}`, () => {
    compile(lines);
    expect(lookUp(local)).toBe(expected);
  });

test("without a catch-all, nobody", () => {
  compile(lines.filter((line) => !line.startsWith("+:")));
  expect(lookUp("joes")).toBeUndefined();
});

test("bytes that are no UTF-8 stay what they are", () => {
  compile(lines);
  const record = findRecord(Buffer.of(0x6a, 0x6f, 0x65, 0x2d, 0xe9, 0xff));
  expect(record && parseRecord(record)?.extension).toEqual(Buffer.of(0xe9, 0xff));
});

test("without the list of wildcards the file is damaged", () => {
  compile(lines, false);
  expect(() => findRecord(Buffer.from("joe"))).toThrow(UsersDamaged);
});

/** qmail-users(5), literally: an exact assignment, else the longest wildcard. */
function model(all: readonly { wild: boolean; name: string }[], local: string): string | undefined {
  const exact = all.findIndex(({ wild, name }) => !wild && name === local);
  if (exact >= 0) return `u${exact}/`;
  const matching = all
    .map(({ wild, name }, index) => ({ wild, name, index }))
    .filter(({ wild, name }) => wild && local.startsWith(name))
    .sort((left, right) => right.name.length - left.name.length || left.index - right.index);
  const [best] = matching;
  return best && `u${best.index}/${local.slice(best.name.length)}`;
}

test("any assignments and any address agree with the manual page", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "-"), maxLength: 5 });
  const assignment = fc.record({ wild: fc.boolean(), name: word });
  fc.assert(
    fc.property(
      fc.array(assignment, { maxLength: 6 }),
      fc.array(word, { minLength: 1, maxLength: 8 }),
      (all, locals) => {
        compile(all.map(({ wild, name }, index) => `${wild ? "+" : "="}${name}:u${index}:1:1:/h:::`));
        for (const local of locals) expect(lookUp(local)).toBe(model(all, local));
      },
    ),
    { numRuns: 40 },
  );
});

const records = [
  ["u\u00005\u00006\u0000/h\u0000-\u0000e\u0000", { uid: 5, gid: 6 }],
  ["u\u00005x\u0000y\u0000/h\u0000-\u0000e\u0000more", { uid: 5, gid: 0 }],
  ["u\u00004294967296\u000099999999999999999999\u0000/h\u0000\u0000\u0000", { uid: 0 }],
  ["u\u00005\u00006\u0000/h\u0000-\u0000e", undefined],
  ["", undefined],
] as const;
for (const [record, expected] of records)
  test(`record ${JSON.stringify(record)}`, () => {
    const parsed = parseRecord(Buffer.from(record));
    if (expected === undefined) expect(parsed).toBeUndefined();
    else expect(parsed).toMatchObject(expected);
  });
