/** A program that stays reads a control file again when it is another one, and only then. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import {
  atOneMoment,
  controlLine,
  hasControl,
  keepControls,
  readControl,
} from "../../../src/core/control/control.ts";
import { HostList } from "../../../src/core/control/rcpthosts.ts";
import { Scratch } from "../../helpers/built.ts";

setDefaultTimeout(900_000);

const scratch = new Scratch();
const before = process.env.QMAILHOME;
process.env.QMAILHOME = scratch.path;
keepControls();
afterAll(() => {
  if (before === undefined) delete process.env.QMAILHOME;
  else process.env.QMAILHOME = before;
  scratch[Symbol.dispose]();
});

/** Older than what may still change unseen. */
const settle = () => Bun.sleep(2100);

test("an old file is read once", async () => {
  scratch.write("control/rcpthosts", "one\n");
  await settle();
  const list = HostList.read("rcpthosts");
  expect(readControl("rcpthosts")).toBe(readControl("rcpthosts") ?? Buffer.of());
  expect(HostList.read("rcpthosts")).toBe(list);
});

test("every change counts at once: another text, another file with the same times, none, one again", async () => {
  const path = scratch.write("control/me", "aaa\n");
  await settle();
  expect(String(controlLine("me"))).toBe("aaa");
  for (const text of ["bbb\n", "ccc\n", "ddd\n"]) {
    writeFileSync(path, text);
    expect(String(controlLine("me"))).toBe(text.trim());
  }
  await settle();
  expect(String(controlLine("me"))).toBe("ddd");
  const other = scratch.write("control/other", "eee\n");
  for (const file of [path, other]) utimesSync(file, 1e9, 1e9);
  renameSync(other, path);
  expect(String(controlLine("me"))).toBe("eee");
  rmSync(path);
  expect(controlLine("me")).toBeUndefined();
  writeFileSync(path, "fff\n");
  expect(String(controlLine("me"))).toBe("fff");
});

test("a name that was absent counts as soon as it is there, whatever brought it", async () => {
  const path = scratch.write("control/target", "far\n");
  const elsewhere = scratch.write("elsewhere", "kept\n");
  const directory = scratch.in("control");
  const late = scratch.in("late");
  symlinkSync(late, scratch.in("control/dangling"));
  const names = ["written", "renamed", "linked", "dangling", "moved"];
  await settle();
  const absent = (): boolean[] => names.map((name) => hasControl(name) || readControl(name) !== undefined);
  // The second time they are known to be absent.
  for (const _ of [1, 2]) expect(absent()).toEqual(names.map(() => false));
  const has = (name: string): string | undefined =>
    hasControl(name) ? String(controlLine(name)) : undefined;
  scratch.write("control/written", "here\n");
  expect(has("written")).toBe("here");
  await settle();
  expect(has("renamed")).toBeUndefined();
  renameSync(elsewhere, scratch.in("control/renamed"));
  expect(has("renamed")).toBe("kept");
  await settle();
  expect(has("linked")).toBeUndefined();
  symlinkSync(path, scratch.in("control/linked"));
  expect(has("linked")).toBe("far");
  await settle();
  // Nothing in the directory changes.
  expect(has("dangling")).toBeUndefined();
  writeFileSync(late, "there now\n");
  expect(has("dangling")).toBe("there now");
  // Another directory takes its place, as old as the first.
  cpSync(directory, scratch.in("control.new"), { recursive: true });
  scratch.write("control.new/moved", "in\n");
  await settle();
  expect(has("moved")).toBeUndefined();
  renameSync(directory, scratch.in("control.old"));
  renameSync(scratch.in("control.new"), directory);
  expect(has("moved")).toBe("in");
});

test("what is read at one moment is of one moment, and the next moment is another", async () => {
  await settle();
  expect(controlLine("sudden")).toBeUndefined();
  const seen = atOneMoment(() => {
    const before = controlLine("sudden");
    scratch.write("control/sudden", "x\n");
    return [before, controlLine("sudden")];
  });
  expect(seen).toEqual([undefined, undefined]);
  expect(String(atOneMoment(() => controlLine("sudden")))).toBe("x");
});
