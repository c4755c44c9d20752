/** The quick form of power-cut.ts: three cuts of each kind of cache; `npm run torture` has 35 and all file systems. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { canCutPower } from "./disk.ts";
import type { Row } from "./power-cut.ts";

test.skipIf(!canCutPower("ext4"))(
  "what was acknowledged before the power was cut is delivered (needs root, loop devices, mkfs.ext4, xfsprogs)",
  () => {
    const words = ["--kind", "ext4", "--cuts", "3", "--seed", "3", "--json"];
    const result = Bun.spawnSync([process.execPath, join(import.meta.dir, "power-cut.ts"), ...words]);
    expect(result.stderr.toString()).toBe("");
    const rows = JSON.parse(result.stdout.toString()) as Row[];
    expect(rows.map(({ cache, cuts }) => [cache, cuts])).toEqual([
      ["careful", 3],
      ["volatile", 3],
    ]);
    for (const row of rows) {
      expect(row.acknowledged).toBeGreaterThan(0);
      expect({ ...row, delivered: row.acknowledged }).toMatchObject({ lost: 0, torn: 0, left: 0 });
    }
  },
);
