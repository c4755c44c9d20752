/**
 * Deliveries of the built qmail-lspawn, by itself and by warm qmail-locals, one after another and side by side. A small
 * message for a Maildir of its own user it delivers itself.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { makeFifo } from "../../src/core/sys/libc.ts";
import { bin } from "../helpers/built.ts";
import { openFiles } from "../helpers/home.ts";
import { patience } from "../helpers/patience.ts";
import { PrivateHome, type Spawner } from "../helpers/spawner.ts";

const uid = process.geteuid?.() ?? 0;
const gid = process.getegid?.() ?? 0;
let home: PrivateHome;
let spawner: Spawner;

beforeEach(() => {
  home = new PrivateHome();
  symlinkSync(join(bin, "qmail-local"), join(home.path, "bin/qmail-local"));
  for (const name of ["ann", "joe"]) {
    for (const part of ["", "/Maildir", "/Maildir/tmp", "/Maildir/new", "/Maildir/cur"])
      mkdirSync(join(home.path, `out/${name}${part}`));
    chmodSync(join(home.path, "out", name), 0o755);
  }
  home.assign(...["ann", "joe"].map((name) => `+${name}:${name}:${uid}:${gid}:${home.path}/out/${name}:::`));
});

afterEach(async () => {
  expect(await spawner.end()).toBe(0);
  home.remove();
});

const start = () => {
  spawner = home.start("qmail-lspawn", ["./Maildir/"]);
};

async function deliver(recipient: string): Promise<string> {
  await spawner.deliver(7, recipient);
  const [slot, report] = await spawner.report();
  expect(slot).toBe(7);
  return report;
}

/** The processes that qmail-lspawn has, by number. */
function children(): number[] {
  const path = `/proc/${spawner.pid}/task/${spawner.pid}/children`;
  return readFileSync(path, "latin1").split(" ").filter(Boolean).map(Number);
}

const messages = (name: string): string[] => readdirSync(join(home.path, "out", name, "Maildir/new"));
const delivered = "Kdid 1+0+0\n";

/** Of a size that qmail-lspawn leaves to others. */
const large = `Subject: large\n\n${"0123456789abcdef".repeat(25_000)}\n`;
const writeLarge = () => home.write("queue/mess/7/30", large);

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 * patience && !condition(); tries++) await Bun.sleep(10);
  expect(condition()).toBe(true);
}

test("small messages for Maildirs need no other process, one after another and side by side", async () => {
  start();
  for (let count = 0; count < 4; count++)
    expect(await deliver(count % 2 === 0 ? "joe@h" : "ann@h")).toBe(delivered);
  for (let slot = 0; slot < 40; slot++) await spawner.deliver(slot, "joe@h");
  const slots = new Set<number>();
  for (let count = 0; count < 40; count++) {
    const [slot, report] = await spawner.report();
    expect(report).toBe(delivered);
    slots.add(slot);
  }
  expect([slots.size, messages("joe").length, messages("ann").length]).toEqual([40, 42, 2]);
  expect(children()).toEqual([]);
  for (const name of messages("joe")) {
    const path = join(home.path, "out/joe/Maildir/new", name);
    expect(readFileSync(path, "latin1")).toBe(
      "Return-Path: <a@b>\nDelivered-To: joe@h\nSubject: s\n\nbody\n",
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
  }
  expect(readdirSync(join(home.path, "out/joe/Maildir/tmp"))).toEqual([]);
});

test("the message is closed when it is delivered, and the next one may have its name", async () => {
  start();
  for (const subject of ["one", "two"]) {
    home.write("queue/mess/7/30", `Subject: ${subject}\n`);
    expect(await deliver("joe@h")).toBe(delivered);
    expect(openFiles(spawner.pid).filter((path) => path.includes("/queue/mess/7"))).toEqual([]);
  }
  const texts = messages("joe").map((name) =>
    readFileSync(join(home.path, "out/joe/Maildir/new", name), "latin1"),
  );
  expect(texts.map((text) => text.slice(-4)).sort()).toEqual(["one\n", "two\n"]);
});

test("one process delivers everything of a user, each message whole and under its own name", async () => {
  writeLarge();
  start();
  const used = new Set<number>();
  for (let count = 0; count < 20; count++) {
    expect(await deliver(count % 2 === 0 ? "joe@h" : "ann@h")).toBe(delivered);
    for (const pid of children()) used.add(pid);
  }
  expect(used.size).toBe(1);
  expect([messages("joe").length, messages("ann").length]).toEqual([10, 10]);
  const [first = ""] = messages("joe");
  expect(readFileSync(join(home.path, "out/joe/Maildir/new", first), "latin1")).toBe(
    `Return-Path: <a@b>\nDelivered-To: joe@h\n${large}`,
  );
});

test("who waits holds no message and no home", async () => {
  writeLarge();
  start();
  expect(await deliver("joe@h")).toBe(delivered);
  const [worker = 0] = children();
  expect(readlinkSync(`/proc/${worker}/cwd`)).toBe("/");
  expect(openFiles(worker).filter((path) => path.startsWith(home.path))).toEqual([]);
});

test("what only puts messages into Maildirs is done by one process for all", async () => {
  writeLarge();
  start();
  for (let slot = 0; slot < 40; slot++) await spawner.deliver(slot, "joe@h");
  const slots = new Set<number>();
  for (let count = 0; count < 40; count++) {
    const [slot, report] = await spawner.report();
    expect(report).toBe(delivered);
    slots.add(slot);
  }
  expect(slots.size).toBe(40);
  expect(messages("joe").length).toBe(40);
  expect(children()).toHaveLength(1);
});

for (const size of ["small", "large"])
  test(`one of many ${size} ones that fails leaves the others alone`, async () => {
    if (size === "large") writeLarge();
    start();
    rmdirSync(join(home.path, "out/ann/Maildir/new"));
    for (let slot = 0; slot < 20; slot++) await spawner.deliver(slot, slot % 4 === 1 ? "ann@h" : "joe@h");
    const reports = new Map<number, string>();
    while (reports.size < 20) reports.set(...(await spawner.report()));
    for (const [slot, report] of reports)
      expect(report).toBe(slot % 4 === 1 ? "ZTemporary error on maildir delivery. (#4.3.0)\n" : delivered);
    expect(messages("joe").length).toBe(15);
    expect(readdirSync(join(home.path, "out/ann/Maildir/tmp"))).toEqual([]);
  });

test("everything else side by side, as many as there are deliveries", async () => {
  home.write("out/joe/.qmail", "./Maildir/\n./Maildir/\n");
  start();
  for (let slot = 0; slot < 40; slot++) await spawner.deliver(slot, "joe@h");
  const slots = new Set<number>();
  for (let count = 0; count < 40; count++) {
    const [slot, report] = await spawner.report();
    expect(report).toBe("Kdid 2+0+0\n");
    slots.add(slot);
  }
  expect(slots.size).toBe(40);
  expect(messages("joe").length).toBe(80);
  // Some are not needed any more.
  await until(() => children().length <= 30);
});

for (const size of [1000, 262_144, 262_145, 400_000])
  test(`a message of ${size} bytes that many get at once is whole for each`, async () => {
    const text = large.slice(-size);
    home.write("queue/mess/7/30", text);
    start();
    for (let slot = 0; slot < 10; slot++) await spawner.deliver(slot, "joe@h");
    for (let count = 0; count < 10; count++) expect((await spawner.report())[1]).toBe(delivered);
    expect(messages("joe")).toHaveLength(10);
    for (const name of messages("joe"))
      expect(readFileSync(join(home.path, "out/joe/Maildir/new", name), "latin1")).toBe(
        `Return-Path: <a@b>\nDelivered-To: joe@h\n${text}`,
      );
    expect(children().length).toBe(size > 262_144 ? 1 : 0);
  });

test("programs get a qmail-local of their own, and nothing is done twice", async () => {
  home.write("out/joe/.qmail", './Maildir/\n|echo "$LOCAL" >>ran; cat >>ran; echo said\n');
  start();
  if (uid === 0) {
    // Root's private home runs no programs, and then delivers nothing at all.
    expect(await deliver("joe@h")).toBe(
      "ZUnable to run program: this qmail home belongs to root. (#4.3.0)\n",
    );
    expect(messages("joe")).toEqual([]);
    return;
  }
  for (let count = 0; count < 2; count++) expect(await deliver("joe@h")).toBe("Ksaid\ndid 1+0+1\n");
  expect(messages("joe").length).toBe(2);
  expect(readFileSync(join(home.path, "out/joe/ran"), "latin1")).toBe("joe\nSubject: s\n\nbody\n".repeat(2));
});

test("a .qmail file counts from the next delivery on", async () => {
  start();
  expect(await deliver("joe@h")).toBe(delivered);
  home.write("out/joe/.qmail", "./box\n");
  expect(await deliver("joe@h")).toBe(delivered);
  expect(readFileSync(join(home.path, "out/joe/box"), "latin1")).toContain("\nDelivered-To: joe@h\n");
  home.write("out/joe/.qmail", "#nothing\n");
  expect(await deliver("joe@h")).toBe("Kdid 0+0+0\n");
  expect(messages("joe").length).toBe(1);
});

test("failures are told, and the next delivery goes on", async () => {
  start();
  chmodSync(join(home.path, "out/joe"), 0o1755);
  expect(await deliver("joe@h")).toBe(
    "ZHome directory is sticky: user is editing his .qmail file. (#4.2.1)\n",
  );
  chmodSync(join(home.path, "out/joe"), 0o777);
  expect(await deliver("joe@h")).toBe("ZUh-oh: home directory is writable. (#4.7.0)\n");
  chmodSync(join(home.path, "out/joe"), 0o755);
  home.write("queue/mess/7/30", "Delivered-To: joe@h\n\n");
  expect(await deliver("joe@h")).toBe(
    "DThis message is looping: it already has my Delivered-To line. (#5.4.6)\n",
  );
  expect(await deliver("ann@h")).toBe(delivered);
});

test("one that was killed while it waited is replaced", async () => {
  writeLarge();
  start();
  expect(await deliver("joe@h")).toBe(delivered);
  const [worker = Number.NaN] = children();
  process.kill(worker, "SIGKILL");
  await until(() => !children().includes(worker));
  expect(await deliver("joe@h")).toBe(delivered);
  expect(messages("joe").length).toBe(2);
});

test("one that is killed at work takes one delivery with it, for a while", async () => {
  // Whoever delivers here waits for a reader.
  const fifo = join(home.path, "out/joe/Maildir/fifo");
  makeFifo(fifo, 0o666);
  home.write("out/joe/.qmail", "./Maildir/\n&\n");
  home.script("qmail-queue", `cat <'${fifo}'`);
  start();
  await spawner.deliver(3, "joe@h");
  await until(() => messages("joe").length === 1);
  for (const worker of children()) process.kill(worker, "SIGKILL");
  expect(await spawner.report()).toEqual([3, "Zqmail-local crashed.\n"]);
  // It may have been killed before anybody read: this opens at once all the same.
  const released = openSync(fifo, "r+");
  home.write("out/joe/.qmail", "./Maildir/\n");
  expect(await deliver("joe@h")).toBe(delivered);
  closeSync(released);
});

test("a qmail-local that is not ours is run for each delivery, as ever", async () => {
  home.script("qmail-local", 'echo "$#"');
  start();
  for (let count = 0; count < 2; count++) expect(await deliver("joe@h")).toBe("K9\n");
  expect(children()).toEqual([]);
});
