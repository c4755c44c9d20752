/**
 * The rows of the table that `npm run interop` prints are tests. What a row lacks stands in its name; what is left to
 * `npm run interop` is named and does not count.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { availableParallelism } from "node:os";
import { groups } from "./groups.ts";
import { isLeft, left } from "./left.ts";
import { type Played, runGroup } from "./play.ts";
import { lacking, type Row, unable } from "./rows/row.ts";

setDefaultTimeout(3_600_000);

const why = unable();
// What a group tries outside is a test of its own already.
const inside = groups.filter(({ outside }) => outside === undefined);
const nameOf = ({ packages, direction }: Row): string => `${packages[0]}: ${direction}`;

for (const group of inside)
  for (const row of group.rows.filter((row) => isLeft(group, row)))
    console.log(`left to npm run interop: ${nameOf(row)}`);

test("what is left to npm run interop is there", () => {
  for (const [name, directions] of Object.entries(left)) {
    const there = inside.find((group) => group.name === name)?.rows.map(({ direction }) => direction);
    expect(there).toBeDefined();
    if (directions !== "all") expect(there).toEqual(expect.arrayContaining([...directions]));
  }
});

const tried = inside
  .map((group) => ({ group, rows: group.rows.filter((row) => !isLeft(group, row)) }))
  .filter(({ rows }) => rows.length > 0);
const runnable = tried.filter(({ group, rows }) =>
  rows.some((row) => why === undefined && lacking(group, row) === undefined),
);

/** What became of the rows of each group. Each group has a machine of its own: some run at a time. */
const played = new Map(
  runnable.map(({ group }) => [group, Promise.withResolvers<Map<string, Played>>()] as const),
);
const waiting = [...played];
async function lane(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [group, { resolve, reject }] = next;
    await runGroup(group, "quick").then(resolve, reject);
  }
}
for (let count = 0; count < Math.min(availableParallelism(), 4); count++) void lane();

for (const { group, rows } of tried)
  describe(`interop: ${group.name}`, () => {
    let results: Map<string, Played> | undefined;
    beforeAll(async () => {
      results = await played.get(group)?.promise;
    });
    for (const row of rows) {
      const lack = why ?? lacking(group, row);
      test.skipIf(lack !== undefined)(lack === undefined ? nameOf(row) : `${nameOf(row)} (${lack})`, () => {
        const outcome = results?.get(row.direction);
        expect(outcome).toBeDefined();
        expect(outcome?.failure).toBeUndefined();
      });
    }
  });
