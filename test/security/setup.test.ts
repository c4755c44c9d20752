/** Links laid out for root by a user of qmail's that was taken over. Needs root, namespaces, gcc, useradd, python3. */
import { beforeAll, describe, expect, test } from "bun:test";
import { needs, possible } from "./machine.ts";
import { observed, type Seen, traps } from "./setup.ts";

describe.skipIf(!possible())(`qmail setup, check and queue repair (${needs})`, () => {
  let seen: Seen[];
  beforeAll(async () => {
    seen = await observed();
  });

  test.each(traps.map(({ name }) => [name] as const))("%s: root changes nothing there", (name) => {
    expect(seen.find(({ trap }) => trap === name)).toEqual({ trap: name, changed: [], after: 0 });
  });
});
