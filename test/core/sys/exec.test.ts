/** Which programs are this very code: run from source, as here, the launchers of this tree. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isThisExecutable } from "../../../src/core/sys/exec.ts";

const launcher = resolve(import.meta.dir, "../../../bin/qmail-queue");
const place = mkdtempSync(join(tmpdir(), "qmail-exec-"));
afterAll(() => rmSync(place, { recursive: true }));

test("a launcher of this tree is, and so is a link to it in a home", () => {
  symlinkSync(launcher, join(place, "qmail-queue"));
  expect([launcher, join(place, "qmail-queue")].map(isThisExecutable)).toEqual([true, true]);
});

test("neither a link of another name is, nor a copy, nor what runs us, nor a program that has other ids", () => {
  symlinkSync(launcher, join(place, "qmail-local"));
  copyFileSync(launcher, join(place, "copy"));
  const others = [join(place, "qmail-local"), join(place, "copy"), process.execPath];
  expect(others.map(isThisExecutable)).toEqual([false, false, false]);
  copyFileSync(launcher, join(place, "ids"));
  chmodSync(join(place, "ids"), 0o4755);
  expect(isThisExecutable(join(place, "ids"))).toBe(false);
});
