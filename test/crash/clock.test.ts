/** A clock that is set while mail goes through: the programs are told another time by libfaketime. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Scratch } from "../helpers/built.ts";
import { until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { underLoad } from "./under-load.ts";

const library = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`)
  .find(existsSync);
const shared = "/dev/shm";

/** The library leaves two files behind for each process that does not end by itself. */
afterEach(() => {
  for (const name of existsSync(shared) ? readdirSync(shared) : []) {
    const [, pid] = /^(?:sem\.faketime_sem|faketime_shm)_(\d+)$/.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(shared, name), { force: true });
  }
});

for (const jump of ["+1d", "-1d", "+10y", "-10y"])
  test.skipIf(library === undefined)(
    `a clock that is set by ${jump} in the middle: mail goes on, and nothing is lost (needs libfaketime)`,
    async () => {
      using scratch = new Scratch();
      const clock = scratch.write("clock", "+0\n");
      const environment = {
        LD_PRELOAD: library ?? "",
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_CACHE_DURATION: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
        FAKETIME_DONT_RESET: "1",
      };
      const { log, ...found } = await underLoad(
        async ({ home, load, more }) => {
          // The clients' programs live in the same time.
          writeFileSync(clock, `${jump}\n`);
          await Bun.sleep(1500);
          await more(40);
          const [newest] = load.acknowledged.slice(-1);
          expect(newest).toBeGreaterThan(0);
          const before = home.delivered().length;
          expect(await until(patience, () => home.delivered().length >= before + 40)).toBe(true);
        },
        {
          environment,
          prepare: (home) => {
            Object.assign(home.environment, environment);
            // Thirty years: what is put off just then would bounce after ten.
            writeFileSync(join(home.path, "control/queuelifetime"), "1000000000\n");
          },
        },
      );
      expect(found).toMatchObject({ lost: 0, torn: 0, left: [], delivered: found.acknowledged, starts: 1 });
      expect(log.includes("warning: clock went back")).toBe(jump.startsWith("-"));
    },
  );
