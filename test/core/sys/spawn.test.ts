import { expect, test } from "bun:test";
import { closeSync, existsSync, openSync } from "node:fs";
import { type Start, start } from "../../../src/core/sys/spawn.ts";
import { Scratch } from "../../helpers/built.ts";

/** What a program writes to its descriptor 1. */
async function output(how: Omit<Start, "descriptors">): Promise<string> {
  using scratch = new Scratch();
  const fd = openSync(scratch.in("out"), "w");
  const child = start({ ...how, descriptors: [null, fd, 2] });
  closeSync(fd);
  expect(await child.ended).toEqual({ code: 0 });
  return scratch.read("out");
}

const isRoot = process.geteuid?.() === 0;
const asked = ["/bin/cat", "/proc/self/status"];

test.skipIf(!isRoot)("ids have 32 bits, and no other groups come along (needs root)", async () => {
  const status = await output({ command: asked, ids: { uid: 0xfffffffe, gid: 0x80000000 } });
  const four = (name: string) =>
    new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(status)?.[1]?.split("\t");
  expect(four("Uid")).toEqual(Array(4).fill("4294967294"));
  expect(four("Gid")).toEqual(Array(4).fill("2147483648"));
  expect(four("Groups")).toEqual([""]);
});

test.skipIf(!isRoot)("the id that is none starts nothing (needs root)", () => {
  for (const ids of [
    { uid: 0xffffffff, gid: 1 },
    { uid: 1, gid: 0xffffffff },
  ])
    expect(() => start({ command: asked, descriptors: [null, 1, 2], ids })).toThrow("EINVAL");
});

test("names of variables are never words for sh", async () => {
  using scratch = new Scratch();
  const proof = scratch.in("ran");
  const environment = {
    [`x; : >${proof}; y`]: Buffer.of(0xff),
    GOOD: Buffer.of(0xfe),
    PATH: "/usr/bin:/bin",
  };
  const said = await output({ command: ["/bin/sh", "-c", 'printf %s "$GOOD"'], environment });
  expect([said, existsSync(proof)]).toEqual(["\xfe", false]);
});
