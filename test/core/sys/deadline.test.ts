/** Reading with a deadline: what qmail-queue's 24 hours rest on. */
import { expect, test } from "bun:test";
import { closeSync, openSync, writeSync } from "node:fs";
import { readBefore } from "../../../src/core/sys/fd.ts";
import { pipe } from "../../../src/core/sys/libc.ts";

const buffer = Buffer.alloc(16);

test("a pipe: silent until the deadline, then with bytes, then at its end", () => {
  const [from, to] = pipe();
  const began = Date.now();
  expect(readBefore(began + 60, from, buffer)).toBeUndefined();
  expect(Date.now() - began).toBeGreaterThanOrEqual(55);
  writeSync(to, "abc");
  expect(readBefore(Date.now() + 1000, from, buffer)).toBe(3);
  closeSync(to);
  expect(readBefore(Date.now() + 1000, from, buffer)).toBe(0);
  closeSync(from);
});

test("after the deadline not even what is there is read", () => {
  const fd = openSync("/dev/zero", "r");
  expect(readBefore(Date.now() - 1, fd, buffer)).toBeUndefined();
  closeSync(fd);
});

test("a descriptor that can not be read", () => {
  const fd = openSync("/", "r");
  expect(() => readBefore(Date.now() + 1000, fd, buffer)).toThrow("EISDIR");
  closeSync(fd);
});
