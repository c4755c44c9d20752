/** Every row of the table that `npm run interop` prints is a test. What a row lacks stands in its name. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { groups } from "./groups.ts";
import { type Played, runGroup } from "./play.ts";
import { lacking, unable } from "./rows/row.ts";

setDefaultTimeout(900_000);

const why = unable();
// What a group tries outside is a test of its own already.
for (const group of groups.filter(({ outside }) => outside === undefined)) {
  const lacks = group.rows.map((row) => why ?? lacking(group, row));
  describe(`interop: ${group.name}`, () => {
    let results: Map<string, Played>;
    beforeAll(async () => {
      if (lacks.includes(undefined)) results = await runGroup(group, false);
    });
    group.rows.forEach((row, index) => {
      const lack = lacks[index];
      const name = `${row.packages[0]}: ${row.direction}`;
      test.skipIf(lack !== undefined)(lack === undefined ? name : `${name} (${lack})`, () => {
        const played = results.get(row.direction);
        expect(played).toBeDefined();
        expect(played?.failure).toBeUndefined();
      });
    });
  });
}
