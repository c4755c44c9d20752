/** Bounces on the real disk: what is written down stays written down. */
import { expect, test } from "bun:test";
import { append } from "../../../src/core/queue/disk.ts";
import { Scratch } from "../../helpers/built.ts";

test("a bounce whose name did not become durable is written anew, with its name", () => {
  using scratch = new Scratch();
  const path = scratch.in("30");
  const synced: string[] = [];
  const refuse = (): never => {
    throw Object.assign(new Error("EIO"), { code: "EIO", errno: -5 });
  };
  expect(() => append(path, "<a@b>:\nno\n\n", refuse)).toThrow("EIO");
  append(path, "<a@b>:\nno\n\n", (directory) => synced.push(String(directory)));
  append(path, "<c@d>:\nno\n\n", (directory) => synced.push(String(directory)));
  expect(scratch.read("30")).toBe("<a@b>:\nno\n\n<c@d>:\nno\n\n");
  expect(synced).toEqual([scratch.path, scratch.path]);
});
