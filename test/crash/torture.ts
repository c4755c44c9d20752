/**
 * `npm run torture`: the long forms, one after the other, each with its table. About an hour and a half on two cores;
 * `--cuts` and `--most` make it shorter or longer. Power cuts need root.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    cuts: { type: "string", default: "35" },
    most: { type: "string", default: "60" },
    scratch: { type: "string", default: "/dev/shm" },
  },
});

const { cuts, most, scratch } = values;

const forms: readonly string[][] = [
  ["power-cut.ts", "--cuts", cuts, "--scratch", scratch],
  ["weakened.ts", "--scratch", scratch],
  ["inject.ts", "--most", most],
  ["../simulator/run.ts", "--seeds", "300"],
  ["../simulator/run.ts", "--barriers"],
];

let failed = 0;
for (const [file = "", ...words] of forms) {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, file), ...words], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if ((await child.exited) !== 0) failed++;
}
process.exitCode = failed > 0 ? 1 : 0;
