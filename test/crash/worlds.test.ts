/** Mail systems that others interfere with: their disk, a second qmail-send, who kills, who leaves things about. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFifo } from "../../src/core/sys/libc.ts";
import { Scratch } from "../helpers/built.ts";
import { Group, PrivateHome, readProcess, until } from "../helpers/home.ts";
import { namespace } from "../helpers/namespace.ts";
import { patience } from "../helpers/patience.ts";
import { separateQueueProgram } from "../helpers/queue-program.ts";
import { makeHome, startHome } from "../scenarios/home.ts";
import { canCutPower } from "./disk.ts";
import { Load, prepareHome } from "./load.ts";
import { lookFor } from "./mailbox.ts";
import { recoverQueue, stop } from "./recover.ts";
import type { Outcome } from "./small-disk.ts";

function onSmallDisk(what: "full" | "read-only"): Outcome {
  const command = [...namespace, process.execPath, join(import.meta.dir, "small-disk.ts"), what];
  const result = Bun.spawnSync(command, { stderr: "pipe" });
  expect(result.stderr.toString()).toBe("");
  return JSON.parse(result.stdout.toString()) as Outcome;
}

const noDisks = !canCutPower("ext4");
const needs = "(needs root, loop devices, mkfs.ext4, xfsprogs)";

test.skipIf(noDisks)(`a disk that is full for a while: nothing is lost, and mail goes on ${needs}`, () => {
  const { phases, acknowledged, ...found } = onSmallDisk("full");
  expect(phases[0]).toBeGreaterThan(0);
  expect(phases[2]).toBeGreaterThan(0);
  expect(found).toMatchObject({ delivered: acknowledged, lost: 0, torn: 0, left: [], temporary: 0 });
});

test.skipIf(noDisks)(
  `a file system that takes no more writes: nothing is taken, nothing is lost ${needs}`,
  () => {
    const { phases, acknowledged, ...found } = onSmallDisk("read-only");
    expect(phases[0]).toBeGreaterThan(0);
    expect(found).toMatchObject({ delivered: acknowledged, lost: 0, torn: 0, left: [] });
  },
);

/** A home with a load; `interfere` is what happens meanwhile. Everything acknowledged must come once. */
async function underLoad(
  interfere: (home: PrivateHome, load: Load, daemons: Group) => Promise<void>,
  prepare: (home: PrivateHome) => void = () => {},
) {
  using scratch = new Scratch();
  const home = new PrivateHome();
  try {
    prepare(home);
    prepareHome(home);
    const daemons = home.start();
    const load = new Load(home, scratch.path);
    await load.start();
    await until(patience, () => load.acknowledged.length >= 20);
    await interfere(home, load, daemons);
    const before = load.acknowledged.length;
    await until(patience, () => load.acknowledged.length >= before + 20);
    expect(load.acknowledged.length).toBeGreaterThanOrEqual(before + 20);
    await load.stop();
    await stop(daemons);
    const { left } = await recoverQueue(home);
    expect(lookFor(home, load.acknowledged)).toMatchObject({ duplicated: 0, lost: 0, torn: 0 });
    return { left, log: readFileSync(join(home.path, "log"), "latin1"), path: home.path };
  } finally {
    await home.remove();
  }
}

test("a second qmail-send on the same queue ends at once, and the first goes on", async () => {
  const { left, log } = await underLoad(async (home) => {
    const second = new Group([join(home.path, "rc")], home.environment, "ignore");
    expect(await second.ended()).toBe(111);
    await second.kill();
  });
  expect({ left, died: log.includes("dying") }).toEqual({ left: [], died: false });
});

test("what a power cut on btrfs brings back of a finished message is removed, but not where mess is missing", async () => {
  const home = new PrivateHome();
  try {
    const [finished, kept] = [520, 522];
    const write = (part: string, id: number, text: string): string => {
      const path = join(home.path, "queue", part, String(id % 23), String(id));
      writeFileSync(path, text);
      return path;
    };
    for (const id of [finished, kept]) write("info", id, "Fjoe@test.example\0");
    for (const id of [finished, kept]) write("local", id, "Tjoe@test.example\0");
    writeFileSync(join(home.path, "queue/bounce", String(finished)), "<joe@test.example>:\nno\n\n");
    rmSync(join(home.path, "queue/mess", String(kept % 23)), { recursive: true });
    // The number of folders is counted, and stays the same.
    mkdirSync(join(home.path, "queue/mess/23"));
    const daemons = home.start();
    const names = (): string[] =>
      home.queued().map((path) => path.slice(home.path.length + "/queue/".length));
    await until(patience, () => names().length === 2);
    await stop(daemons);
    expect(names().sort()).toEqual([`info/${kept % 23}/${kept}`, `local/${kept % 23}/${kept}`]);
    const log = readFileSync(join(home.path, "log"), "latin1");
    expect(log).toContain("warning: mess/14/520 is gone; removing info/14/520 and its recipients\n");
  } finally {
    await home.remove();
  }
});

/** Processes below a home that run with this word. */
function running(home: { path: string }, word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readProcess(pid, "environ")?.includes(`QMAILHOME=${home.path}\0`) === true)
    .filter((pid) => readProcess(pid, "cmdline")?.includes(word) === true)
    .map(Number);
}

test("a resident qmail-queue that is killed again and again takes no acknowledged message with it", async () => {
  const separate = (home: PrivateHome): void => separateQueueProgram(home.program("qmail-queue"));
  const { left } = await underLoad(async (home, load) => {
    let killed = 0;
    for (let round = 0; round < 5; round++) {
      const before = load.acknowledged.length;
      for (const pid of running(home, "--resident").filter((pid) =>
        readProcess(pid, "cmdline")?.includes("qmail-queue"),
      )) {
        process.kill(pid, "SIGKILL");
        killed++;
      }
      await until(patience, () => load.acknowledged.length >= before + 20);
    }
    expect(killed).toBeGreaterThan(0);
  }, separate);
  expect(left).toEqual([]);
});

test("programs that never end, or never stop talking, keep their slots and no more", async () => {
  const home = await makeHome(process.geteuid?.() === 0 ? { user: "nobody" } : {});
  const address = (extension: string): string => `${home.owner}${extension}@${home.host}`;
  for (const [name, line] of Object.entries({ flood: "|exec yes", sleep: "|exec sleep 100000" }))
    writeFileSync(home.at("mail", home.owner, `.qmail-${name}`), `${line}\n`, { mode: 0o644 });
  const system = await startHome(home);
  try {
    for (const extension of ["-flood", "-sleep", ""])
      expect(await home.inject("Subject: x\n\n", [address(extension)])).toMatchObject({ code: 0 });
    expect(await until(patience, () => home.messages(home.owner).length === 1)).toBe(true);
    // A second of `yes` is some hundred megabytes.
    await Bun.sleep(3000);
    const [spawner] = running(home, "qmail-lspawn");
    const kilobytes = Number(/VmHWM:\s+(\d+)/.exec(readProcess(spawner ?? 0, "status") ?? "")?.[1]);
    expect(kilobytes).toBeLessThan(200_000);
    expect(await home.inject("Subject: x\n\n", [address("")])).toMatchObject({ code: 0 });
    expect(await until(patience, () => home.messages(home.owner).length === 2)).toBe(true);
    // Both are still there, undelivered; the bytes are in the queue, whatever becomes of the programs.
    expect(await until(patience, () => home.queued("local").length === 2)).toBe(true);
  } finally {
    await system.killAll();
    for (const word of ["yes", "100000"]) for (const pid of running(home, word)) process.kill(pid, "SIGKILL");
    home.dispose();
  }
});

test("strange things in the queue's directories hold up nothing, and stay", async () => {
  const parts = ["pid", "intd", "todo", "bounce", "mess/3", "info/3", "local/3", "remote/3"];
  const names = ["a b\nc", "-rf", "0", "00012", "18446744073709551616", "12x", ".hidden", "é\u0001"];
  const { left, path } = await underLoad(async (home) => {
    for (const part of parts)
      for (const [index, name] of names.entries()) {
        const at = join(home.path, "queue", part, name);
        if (index % 4 === 0) mkdirSync(at);
        else if (index % 4 === 1) makeFifo(at, 0o600);
        else if (index % 4 === 2) symlinkSync(at, at);
        else writeFileSync(at, "strange");
      }
  });
  const strange = left.map((file) => file.slice(`${path}/queue/`.length));
  // Whatever its name, what lies in pid belongs to nobody after 36 hours.
  const kept = parts
    .filter((part) => part !== "pid")
    .flatMap((part) => names.map((name) => `${part}/${name}`));
  expect(strange.filter((file) => !file.startsWith("pid/")).sort()).toEqual(
    kept.filter((_, index) => index % 4 !== 0).sort(),
  );
});
