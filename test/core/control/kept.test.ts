/** A program that stays reads a control file again when it is another one, and only then. */
import { afterAll, expect, test } from "bun:test";
import { renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { controlLine, keepControls, readControl } from "../../../src/core/control/control.ts";
import { HostList } from "../../../src/core/control/rcpthosts.ts";
import { Scratch } from "../../helpers/built.ts";

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
