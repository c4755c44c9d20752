/** The set-uid launcher under hostile callers. Needs root, namespaces with overlays, gcc, useradd and python3. */
import { beforeAll, describe, expect, test } from "bun:test";
import { canCompile } from "../helpers/launcher.ts";
import { canUnshare } from "../helpers/namespace.ts";
import { hostileCallers, type Report } from "./launcher-hostile.ts";
import { rows } from "./launcher-hostile-rows.ts";

const has = (name: string): boolean => Bun.which(name, { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }) !== null;
const possible = canUnshare() && canCompile() && has("useradd") && has("python3");

describe.skipIf(!possible)("hostile callers (needs root, namespaces, gcc, useradd and python3)", () => {
  let seen: Report;
  beforeAll(async () => {
    seen = await hostileCallers();
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
  test("no code of the caller's ran with other rights, or where none should run", () => {
    expect(seen.ran).toEqual([]);
  });
  test("nothing of the queue's user is anywhere but in the queue", () => expect(seen.strays).toEqual([]));
});
