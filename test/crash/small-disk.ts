/**
 * What befalls a disk while mail is taken in and delivered: `full`, it has no room for a while; `read-only`, the file
 * system meets an error and takes no more writes, until it is checked and mounted again; `reuse`, messages come and go,
 * and get each other's numbers, while everything is killed. Prints what was found as JSON.
 *
 *   bun test/crash/small-disk.ts full|read-only|reuse [--seconds 2]
 *
 * To be run as root in a mount namespace (helpers/namespace.ts has one), with which the mount goes away.
 */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Group, PrivateHome, until } from "../helpers/home.ts";
import { tool, unmount } from "./disk.ts";
import { Load, prepareHome } from "./load.ts";
import { type Found, lookFor } from "./mailbox.ts";
import { recoverQueue, stop } from "./recover.ts";

export interface Outcome extends Found {
  /** Messages acknowledged before, while, and after the disk was in trouble. */
  phases: number[];
  left: string[];
  /** Files in the Maildir's tmp. */
  temporary: number;
}

const size = 48 * 2 ** 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "2" } },
});

/** Seconds of each phase, of the one in trouble, and how long to wait for better times. */
const [phase, trouble, patience] = [2, Number(values.seconds), 30];

/** How often everything is killed, and how long it lives, in seconds. */
const [rounds, lifetime] = [8, 0.7];

class World {
  readonly scratch = mkdtempSync(join(tmpdir(), "qmail-disk-"));
  readonly image = join(this.scratch, "image");
  readonly place = join(this.scratch, "place");
  readonly home: PrivateHome;
  readonly load: Load;
  readonly phases: number[] = [];
  daemons: Group;

  constructor() {
    mkdirSync(this.place);
    closeSync(openSync(this.image, "w"));
    truncateSync(this.image, size);
    tool("mkfs.ext4", "-q", "-F", "-N", "8192", this.image);
    this.mount();
    this.home = new PrivateHome("joe", this.place);
    prepareHome(this.home);
    this.daemons = this.home.start();
    this.load = new Load(this.home, this.scratch);
  }

  mount(): void {
    tool("mount", "-o", "loop,errors=remount-ro", this.image, this.place);
  }

  /** Lets a phase go by; counts what was acknowledged in it. */
  async pass(seconds = phase): Promise<void> {
    const before = this.load.acknowledged.length;
    await Bun.sleep(seconds * 1000);
    this.phases.push(this.load.acknowledged.length - before);
  }

  look(left: string[]): Outcome {
    const found = lookFor(this.home, this.load.acknowledged);
    const temporary = readdirSync(join(this.home.maildir, "tmp")).length;
    return { ...found, phases: this.phases, left, temporary };
  }
}

/** Nobody is started anew: when there is room again, all goes on. Only bounces wait two minutes for the next try. */
async function full(world: World): Promise<Outcome> {
  const filler = join(world.place, "filler");
  await world.pass();
  fill(filler);
  await world.pass(trouble);
  rmSync(filler);
  const before = world.load.acknowledged.length;
  await until(patience, () => world.load.acknowledged.length > before);
  await world.pass();
  await world.load.stop();
  const waiting = (): boolean => world.home.queued().some((file) => /\/queue\/(todo|local)\//.test(file));
  for (let second = 0; second < patience && !(await until(1, () => !waiting())); second++)
    world.daemons.signal("SIGALRM");
  if (waiting()) throw new Error("mail waits, although there is room");
  await stop(world.daemons);
  const { left } = await recoverQueue(world.home);
  return world.look(left);
}

/** Takes all the room there is. */
function fill(path: string): void {
  const fd = openSync(path, "w");
  const block = Buffer.alloc(65536);
  for (let length = block.length; length > 0; ) {
    try {
      writeSync(fd, block, 0, length);
    } catch (failure) {
      if (!(failure instanceof Error && "code" in failure && failure.code === "ENOSPC")) throw failure;
      length = Math.floor(length / 2);
    }
  }
  closeSync(fd);
}

async function readOnly(world: World): Promise<Outcome> {
  await world.pass();
  const device = Bun.spawnSync(["findmnt", "-no", "SOURCE", world.place]).stdout.toString().trim();
  writeFileSync(`/sys/fs/ext4/${device.slice("/dev/".length)}/trigger_fs_error`, "test");
  await world.pass(trouble);
  await world.load.stop();
  await world.daemons.kill();
  unmount(world.place);
  // 1: errors were mended.
  const check = Bun.spawnSync(["e2fsck", "-f", "-y", world.image]);
  if (check.exitCode > 1) throw new Error(`e2fsck: ${check.stdout.toString()}`);
  world.mount();
  const { left } = await recoverQueue(world.home);
  return world.look(left);
}

/** Everything is killed, again and again; new messages get the numbers of those that were just being removed. */
async function reuse(world: World): Promise<Outcome> {
  for (let round = 0; round < rounds; round++) {
    await world.pass(lifetime);
    await world.daemons.kill();
    world.daemons = world.home.start();
  }
  await world.load.stop();
  await stop(world.daemons);
  const { left } = await recoverQueue(world.home);
  return world.look(left);
}

const befalls = { full, "read-only": readOnly, reuse } as const;

async function main(name: string | undefined): Promise<void> {
  const what = befalls[name as keyof typeof befalls];
  if (what === undefined) throw new Error("usage: small-disk.ts full|read-only|reuse");
  const world = new World();
  try {
    await world.load.start();
    const outcome = await what(world);
    console.log(JSON.stringify(outcome));
    if (outcome.lost + outcome.torn + outcome.left.length > 0) process.exitCode = 1;
  } finally {
    unmount(world.place);
    rmSync(world.scratch, { recursive: true });
  }
}

if (import.meta.main) await main(positionals[0]);
