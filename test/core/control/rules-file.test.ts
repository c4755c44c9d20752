/** The rules of a server that stays: looked up once for as long as the file is the same, and not longer. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { CdbMaker } from "../../../src/core/bytes/cdb.ts";
import { RulesFile } from "../../../src/core/control/rules-file.ts";
import { Scratch } from "../../helpers/built.ts";

setDefaultTimeout(900_000);

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

/** A cdb in which each key sets X to a value, or denies. */
function cdb(rules: Readonly<Record<string, string>>): Buffer {
  const maker = new CdbMaker();
  const records = Object.entries(rules).map(([key, value]) =>
    maker.add(Buffer.from(key), Buffer.from(value === "deny" ? "D\0" : `+X=${value}\0`)),
  );
  return Buffer.concat([maker.header(), ...records, ...maker.tables()]);
}

/** Older than what may still change unseen. */
const settle = () => Bun.sleep(2100);

const path = scratch.in("rules.cdb");
const said = (rules: RulesFile, ip: string, host?: string, info?: string): string | undefined => {
  const rule = rules.ruleFor({ ip, host, info });
  return rule?.denied === true ? "deny" : rule?.variables[0]?.[1].toString();
};

test("a new file counts at once, however it comes there", async () => {
  const rules = new RulesFile(path);
  expect(() => said(rules, "192.0.2.1")).toThrow("ENOENT");
  for (const value of ["one", "two", "deny"]) {
    writeFileSync(path, cdb({ "192.0.2.": value }));
    expect(said(rules, "192.0.2.1")).toBe(value);
  }
  await settle();
  for (const _ of [1, 2])
    expect([said(rules, "192.0.2.1"), said(rules, "198.51.100.1")]).toEqual(["deny", undefined]);
  const other = scratch.write("other.cdb", "");
  writeFileSync(other, cdb({ "192.0.2.1": "three", "": "else" }));
  renameSync(other, path);
  for (const _ of [1, 2])
    expect([said(rules, "192.0.2.1"), said(rules, "198.51.100.1")]).toEqual(["three", "else"]);
  await settle();
  expect(said(rules, "192.0.2.1")).toBe("three");
  writeFileSync(path, cdb({ "192.0.2.1": "four!" }));
  expect(said(rules, "192.0.2.1")).toBe("four!");
  rmSync(path);
  expect(() => said(rules, "192.0.2.1")).toThrow("ENOENT");
});

test("clients at one address that differ by name or ident are different clients", async () => {
  writeFileSync(
    path,
    cdb({ "joe@192.0.2.1": "joe", "=mail.test": "named", "=": "any name", "192.0.2.2": "plain" }),
  );
  await settle();
  const rules = new RulesFile(path);
  const clients = [
    ["192.0.2.1", undefined, undefined, undefined],
    ["192.0.2.1", "mail.test", undefined, "named"],
    ["192.0.2.1", "", undefined, "any name"],
    ["192.0.2.1", undefined, "joe", "joe"],
    ["192.0.2.1", undefined, "", undefined],
    ["192.0.2.2", "other.test", "joe", "plain"],
  ] as const;
  for (const _ of [1, 2])
    for (const [ip, host, info, value] of clients)
      expect([ip, host, info, said(rules, ip, host, info)]).toEqual([ip, host, info, value]);
});

test("many clients do not fill the memory, and each still gets its own rule", async () => {
  const rules = new RulesFile(path);
  const before = process.memoryUsage().rss;
  for (let count = 0; count < 10_000; count++) {
    const ip = `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`;
    if (said(rules, ip) !== undefined) throw new Error(ip);
  }
  expect(said(rules, "192.0.2.2")).toBe("plain");
  expect(process.memoryUsage().rss - before).toBeLessThan(50 << 20);
});
