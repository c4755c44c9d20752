/** The quick form of power-cut.ts. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { canCutPower } from "./disk.ts";
import type { Row } from "./power-cut.ts";

test.skipIf(!canCutPower("ext4"))(
  "what was acknowledged before the power was cut is delivered (needs root, loop devices, mkfs.ext4, xfsprogs)",
  () => {
    const words = ["--kind", "ext4", "--cuts", "5", "--seed", "3", "--json"];
    const result = Bun.spawnSync([process.execPath, join(import.meta.dir, "power-cut.ts"), ...words]);
    expect(result.stderr.toString()).toBe("");
    const rows = JSON.parse(result.stdout.toString()) as Row[];
    expect(rows.map(({ cache, cuts }) => [cache, cuts])).toEqual([
      ["careful", 5],
      ["volatile", 5],
    ]);
    for (const row of rows) {
      expect(row.acknowledged).toBeGreaterThan(0);
      expect({ ...row, delivered: row.acknowledged }).toMatchObject({ lost: 0, torn: 0, left: 0 });
    }
  },
);
