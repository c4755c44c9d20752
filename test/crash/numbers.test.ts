/** Messages whose numbers are not their files' any more, or were another message's a moment ago. */
import { expect, test } from "bun:test";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PrivateHome } from "../helpers/home.ts";
import { namespace } from "../helpers/namespace.ts";
import { sender } from "./bench.ts";
import { canCutPower } from "./disk.ts";
import { prepareHome, recipientOf, textOf } from "./load.ts";
import { lookFor } from "./mailbox.ts";
import { drain, recoverQueue, stop } from "./recover.ts";
import type { Outcome } from "./small-disk.ts";

test.skipIf(!canCutPower("ext4"))(
  "numbers that are used again at once, while everything is killed again and again (needs root, mkfs.ext4)",
  () => {
    const command = [...namespace, process.execPath, join(import.meta.dir, "small-disk.ts"), "reuse"];
    const result = Bun.spawnSync(command, { stderr: "pipe" });
    expect(result.stderr.toString()).toBe("");
    const { acknowledged, ...found } = JSON.parse(result.stdout.toString()) as Outcome;
    expect(acknowledged).toBeGreaterThan(0);
    expect(found).toMatchObject({ delivered: acknowledged, lost: 0, torn: 0, left: [] });
  },
);

/** How often a message is tried to be queued: its number may be that of another in the copy. */
const attempts = 200;

function submit(home: PrivateHome, number: number): void {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const words = [home.program("qmail-inject"), "-f", sender, recipientOf(number)];
    const { exitCode } = Bun.spawnSync(words, { stdin: Buffer.from(textOf(number)), env: home.environment });
    if (exitCode === 0) return;
    expect(exitCode).toBe(111);
  }
  throw new Error(`message ${number} is refused again and again`);
}

for (const repaired of [true, false])
  test(`a queue that was copied in place by cp -a, ${repaired ? "and repaired" : "by somebody who repaired nothing"}`, async () => {
    const home = new PrivateHome();
    try {
      prepareHome(home);
      const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
      for (const number of numbers.slice(0, 20)) submit(home, number);
      const [queue, copy] = ["queue", "copy"].map((name) => join(home.path, name)) as [string, string];
      expect(Bun.spawnSync(["cp", "-a", queue, copy]).exitCode).toBe(0);
      rmSync(queue, { recursive: true });
      renameSync(copy, queue);
      if (repaired) home.run("qmail", "queue", "repair");
      const daemons = home.start();
      for (const number of numbers.slice(20)) submit(home, number);
      await drain(home, daemons);
      await stop(daemons);
      const { left } = await recoverQueue(home);
      const found = lookFor(home, numbers);
      expect({ ...found, left }).toMatchObject({ delivered: 40, duplicated: 0, lost: 0, torn: 0, left: [] });
    } finally {
      await home.remove();
    }
  });
