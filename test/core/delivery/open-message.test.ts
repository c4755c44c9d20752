/** One open file for all deliveries of a message; what each may do with it. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { OpenMessages } from "../../../src/core/delivery/open-message.ts";
import { DeliveryTrouble } from "../../../src/core/delivery/trouble.ts";
import { Scratch } from "../../helpers/built.ts";

const uid = process.geteuid?.() ?? 0;
const opened = (path: string) =>
  readdirSync("/proc/self/fd").filter((fd) => {
    const link = `/proc/self/fd/${fd}`;
    return existsSync(link) && readlinkSync(link) === path;
  }).length;

test("many share one descriptor; who wants an offset has one alone; the last one closes", () => {
  using scratch = new Scratch();
  const path = scratch.write("message", "0123456789");
  const messages = new OpenMessages(uid);
  const three = [1, 2, 3].map(() => messages.open(path));
  expect([opened(path), new Set(three.map(({ shared }) => shared)).size]).toEqual([1, 1]);
  expect(three.map(({ size }) => size)).toEqual([10, 10, 10]);
  const texts = three.map((message) => {
    expect(message.own()).toBe(message.own());
    return readFileSync(message.own(), "latin1");
  });
  expect(texts).toEqual(Array(3).fill("0123456789"));
  expect(opened(path)).toBe(3);
  const late = messages.open(path);
  const buffer = Buffer.alloc(4);
  readSync(late.shared, buffer, 0, 4, 6);
  expect(buffer.toString()).toBe("6789");
  for (const message of three) message.close();
  expect(opened(path)).toBe(1);
  late.close();
  expect(opened(path)).toBe(0);
});

test("who comes when all are gone sees what is there then", () => {
  using scratch = new Scratch();
  const path = scratch.write("message", "old");
  const messages = new OpenMessages(uid);
  messages.open(path).close();
  scratch.write("message", "newer");
  const message = messages.open(path);
  expect([message.size, readFileSync(message.own(), "latin1")]).toEqual([5, "newer"]);
  message.close();
});

test("what is no message of ours is not opened, and nothing stays open", () => {
  using scratch = new Scratch();
  const path = scratch.write("message", "");
  mkdirSync(scratch.in("directory"));
  const report = (name: string, owner = uid): string => {
    try {
      new OpenMessages(owner).open(name);
    } catch (failure) {
      if (failure instanceof DeliveryTrouble) return failure.report;
      throw failure;
    }
    return "opened";
  };
  expect(report(path, uid + 1)).toBe("ZSorry, message has wrong owner. (#4.3.5)\n");
  expect(report(scratch.in("directory"))).toBe("ZSorry, message has wrong type. (#4.3.5)\n");
  expect(report(scratch.in("nowhere"))).toBe("Zqmail-spawn unable to open message. (#4.3.0)\n");
  expect(opened(path)).toBe(0);
});
