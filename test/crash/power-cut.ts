/**
 * The power is cut while a mail system works: what a disk holds at that moment is mounted, a mail system is started on
 * it, and every message that had been acknowledged must be in the mailbox, or have bounced, whole.
 *
 *   bun test/crash/power-cut.ts [--kind ext4 ...] [--cache careful|volatile ...] [--cuts 10] [--seed 1]
 *                               [--scratch DIR] [--json] [--until-bad]
 *
 * Many cuts are made of one run of the system; each is a disk of its own. Needs root, loop devices and mkfs.xfs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PrivateHome } from "../helpers/home.ts";
import { namespace } from "../helpers/namespace.ts";
import { randomFrom } from "../scenarios/kill.ts";
import { type Cache, type Kind, kinds, PowerDisk, tool } from "./disk.ts";
import { Load, prepareHome } from "./load.ts";
import { type Found, lookFor } from "./mailbox.ts";
import { recoverQueue } from "./recover.ts";
import { printTable } from "./table.ts";

/** One row of the table: counts over all cuts of a kind. */
export interface Row extends Found {
  kind: Kind;
  cache: Cache;
  cuts: number;
  /** Cuts after which something was lost or torn. */
  bad: number;
  /** The number of the first of them; 0: there was none. */
  firstBad: number;
  /** Files of dead messages that were swept away when they were 36 hours old. */
  swept: number;
  /** Files that stay in the queue for ever. */
  left: number;
}

/** Cuts that are made of one run. */
const perRun = 10;

/** Milliseconds from one cut to the next: at least, and at most as many more. */
const [shortest, longer] = [60, 500];

const inside = "QMAIL_TS_POWER_CUT";

interface Cut {
  number: number;
  acknowledged: readonly number[];
}

/** Runs a mail system and takes so many cuts of it. */
async function run(disk: PowerDisk, home: PrivateHome, scratch: string, cuts: number, random: () => number) {
  const daemons = home.start();
  const load = new Load(home, scratch);
  await load.start();
  const taken: Cut[] = [];
  while (taken.length < cuts) {
    await Bun.sleep(shortest + random() * longer);
    const acknowledged = [...load.acknowledged];
    taken.push({ acknowledged, number: disk.cut(random) });
  }
  await load.stop();
  await daemons.kill();
  return taken;
}

/** What is left after a cut, when a mail system has worked on it. */
async function recover(
  disk: PowerDisk,
  home: PrivateHome,
  cut: Cut,
): Promise<Found & { swept: number; left: string[] }> {
  disk.reopen(cut.number);
  try {
    const queue = await recoverQueue(home);
    return { ...lookFor(home, cut.acknowledged), ...queue };
  } finally {
    disk.close();
  }
}

async function cutPower(
  kind: Kind,
  cache: Cache,
  cuts: number,
  random: () => number,
  scratch: string,
): Promise<Row> {
  const row: Row = {
    ...{ kind, cache, cuts: 0, bad: 0, firstBad: 0, acknowledged: 0, delivered: 0, duplicated: 0 },
    ...{ lost: 0, torn: 0, swept: 0, left: 0 },
  };
  while (row.cuts < cuts && !(values["until-bad"] && row.bad > 0)) {
    const place = mkdtempSync(join(scratch, "power-"));
    const disk = new PowerDisk(place, kind, cache);
    const home = new PrivateHome("joe", disk.place);
    prepareHome(home);
    tool("sync", "-f", disk.place);
    const taken = await run(disk, home, place, Math.min(perRun, cuts - row.cuts), random);
    disk.close();
    for (const cut of taken) {
      const found = await recover(disk, home, cut);
      for (const key of ["acknowledged", "delivered", "duplicated", "lost", "torn", "swept"] as const)
        row[key] += found[key];
      row.left += found.left.length;
      if (found.left.length > 0) console.error(`${kind}, ${cache}: left ${found.left.join(" ")}`);
      row.cuts++;
      if (found.lost + found.torn === 0) continue;
      row.bad++;
      if (row.firstBad === 0) row.firstBad = row.cuts;
      if (values["until-bad"]) break;
    }
    disk.forget();
    rmSync(place, { recursive: true });
  }
  return row;
}

/** The same in a mount namespace, with which every mount goes away. */
async function enter(): Promise<number> {
  const scratch = mkdtempSync(join(values.scratch ?? tmpdir(), "qmail-power-"));
  const child = Bun.spawn([...namespace, process.execPath, ...process.argv.slice(1)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, [inside]: scratch },
  });
  try {
    return await child.exited;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main(scratch: string): Promise<number> {
  const seed = Number(values.seed);
  const rows: Row[] = [];
  for (const kind of values.kind as Kind[])
    for (const cache of values.cache as Cache[])
      rows.push(await cutPower(kind, cache, Number(values.cuts), randomFrom(seed), scratch));
  if (values.json) console.log(JSON.stringify(rows));
  else printTable(`power cuts, seed ${seed}`, rows);
  return rows.some(({ bad, left }) => bad + left > 0) ? 1 : 0;
}

const { values } = parseArgs({
  options: {
    kind: { type: "string", multiple: true, default: Object.keys(kinds) },
    cache: { type: "string", multiple: true, default: ["careful", "volatile"] },
    cuts: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    scratch: { type: "string" },
    json: { type: "boolean", default: false },
    "until-bad": { type: "boolean", default: false },
  },
});
const scratch = process.env[inside];
process.exitCode = scratch === undefined ? await enter() : await main(scratch);
