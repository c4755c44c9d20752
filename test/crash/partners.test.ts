/** Processes of a mail system that die one by one, or stop reading, while mail goes through them. */
import { expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryLockExclusive } from "../../src/core/sys/lock.ts";
import { host, openFiles, PrivateHome, readProcess, until } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { running, underLoad, type World } from "./under-load.ts";

const nothing = { lost: 0, torn: 0, left: [] };

/** Kills all processes with this word; waits, at the most a while, until there is one. */
async function kill({ home }: World, word: string): Promise<void> {
  await until(patience, () => running(home, word).length > 0);
  const pids = running(home, word);
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, "SIGKILL");
}

/** Who dies, and the line of the log that says so. */
const daemons: readonly [string, string | undefined][] = [
  ["qmail-clean", "alert: oh no! lost qmail-clean connection! dying...\n"],
  ["qmail-lspawn", "alert: oh no! lost spawn connection! dying...\n"],
  ["qmail-rspawn", "alert: oh no! lost spawn connection! dying...\n"],
  ["qmail-send", undefined],
];

for (const [name, line] of daemons)
  test(`${name} that is killed again and again: all is started anew, and nothing is lost`, async () => {
    const { log, starts, ...found } = await underLoad(async (world) => {
      for (let round = 0; round < 3; round++) {
        const before = world.system.starts;
        await kill(world, name);
        expect(await until(patience, () => world.system.starts > before)).toBe(true);
        await world.more(10);
      }
    });
    expect(found).toMatchObject({ ...nothing, delivered: found.acknowledged });
    expect(starts).toBeGreaterThanOrEqual(4);
    if (line !== undefined) expect(log).toContain(line);
  });

// Whether a death meets a delivery is chance here; in the next row it does.
test("warm workers that die in the middle: their deliveries are tried again, and nobody else notices", async () => {
  const { starts, ...found } = await underLoad(async (world) => {
    for (let round = 0; round < 5; round++) {
      await until(patience, () => workers(world.home).length > 0);
      for (const pid of workers(world.home)) process.kill(pid, "SIGKILL");
      await world.more(10);
    }
  });
  expect(found).toMatchObject({ ...nothing, delivered: found.acknowledged });
  expect(starts).toBe(1);
});

test("a warm worker that dies in the middle of a delivery: it is deferred, and tried again", async () => {
  const home = new PrivateHome();
  const box = join(home.path, "mail", home.user, "box");
  writeFileSync(box, "");
  writeFileSync(join(home.path, "mail", home.user, ".qmail-box"), "./box\n");
  const lock = openSync(box, "r");
  try {
    expect(tryLockExclusive(lock)).toBe(true);
    const daemons = home.start();
    home.run("qmail-inject", `${home.user}-box@${host}`);
    const waiting = (): number[] => workers(home).filter((pid) => openFiles(pid).includes(box));
    // It waits for the mailbox, which is ours.
    expect(await until(patience, () => waiting().length === 1)).toBe(true);
    for (const pid of waiting()) process.kill(pid, "SIGKILL");
    const log = (): string => readFileSync(join(home.path, "log"), "latin1");
    expect(await until(patience, () => /^delivery 1: /m.test(log()))).toBe(true);
    expect(log()).toContain("delivery 1: deferral: ");
    expect(readFileSync(box, "latin1")).toBe("");
    closeSync(lock);
    daemons.signal("SIGALRM");
    expect(await until(patience, () => home.queued().length === 0)).toBe(true);
    expect(log()).toContain("delivery 2: success: ");
    expect(readFileSync(box, "latin1").match(/^From /gm)?.length).toBe(1);
  } finally {
    await home.remove();
  }
});

const workers = (home: PrivateHome): number[] =>
  running(home, "--resident").filter((pid) => readProcess(pid, "cmdline")?.includes("qmail-local"));

const logger = ["sh", "-c", "exec cat > /dev/null"];

/** The process that reads the log. */
function loggerOf({ system }: World): number {
  const [pid] = system.group.processes().filter((pid) => readProcess(pid, "cmdline") === "cat\0");
  if (pid === undefined) throw new Error("there is no logger");
  return pid;
}

test("a logger that dies: mail goes on without a log", async () => {
  const found = await underLoad(
    async (world) => {
      process.kill(loggerOf(world), "SIGKILL");
      await world.more(50);
    },
    { logger },
  );
  expect(found).toMatchObject({ ...nothing, delivered: found.acknowledged, duplicated: 0, starts: 1 });
});

test("a logger that stops reading: mail waits in the queue, is still taken in, and comes when it reads again", async () => {
  const found = await underLoad(
    async (world) => {
      const pid = loggerOf(world);
      process.kill(pid, "SIGSTOP");
      // What a pipe holds is the log of some 200 messages.
      await world.more(400);
      expect(readdirSync(join(world.home.path, "queue/todo")).length).toBeGreaterThan(0);
      process.kill(pid, "SIGCONT");
    },
    { logger },
  );
  expect(found).toMatchObject({ ...nothing, delivered: found.acknowledged, duplicated: 0, starts: 1 });
});

test("a queue that somebody else has locked: qmail-send waits until it is free, and is started again and again", async () => {
  const found = await underLoad(async (world) => {
    const { home, system } = world;
    await system.group.kill();
    // Another qmail's program, of which we know nothing but its lock.
    const lock = join(home.path, "queue/lock/sendmutex");
    const holder = Bun.spawn(["flock", "--no-fork", lock, "sleep", "100000"], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    try {
      const before = system.starts;
      expect(await until(patience, () => system.starts >= before + 3)).toBe(true);
      await world.more(10);
    } finally {
      holder.kill("SIGKILL");
      await holder.exited;
    }
  });
  expect(found).toMatchObject({ ...nothing, delivered: found.acknowledged });
  expect(readCount(found.log, "qmail-send is already running")).toBeGreaterThan(0);
});

const readCount = (log: string, words: string): number => log.split(words).length - 1;
