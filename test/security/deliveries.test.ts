/** Hostile homes, addresses and messages. Needs root, namespaces, gcc, useradd and python3. */
import { beforeAll, describe, expect, test } from "bun:test";
import { type Deliveries, observed } from "./deliveries.ts";
import { rows } from "./deliveries-rows.ts";
import { needs, possible } from "./machine.ts";

describe.skipIf(!possible())(`hostile deliveries (${needs})`, () => {
  let seen: Deliveries;
  beforeAll(async () => {
    seen = await observed();
  });

  test.each(rows.map(({ group, name, expected }) => [group, name, expected] as const))(
    "%s: %s: %s",
    (group, name, expected) => {
      const outcome = seen.outcomes.find((one) => one.group === group && one.name === name)?.outcome;
      expect(outcome).toBe(expected);
    },
  );
  test("every row was tried once", () => {
    expect(seen.outcomes.length).toBe(rows.length);
    expect(new Set(rows.map(({ group, name }) => `${group} ${name}`)).size).toBe(rows.length);
  });
  test("joe wrote nowhere but in his home", () => expect(seen.strays).toEqual([]));
  test("no address and no message ran anything", () => expect(seen.ran).toEqual([]));
  test("accounts, settings and ann's files are as they were", () => expect(seen.untouched).toBe(true));
  test.each(["qmail-lspawn", "qmail-send"])("%s stayed small", (name) => {
    expect(seen.memory[name]).toBeWithin(1, 120);
  });
});
