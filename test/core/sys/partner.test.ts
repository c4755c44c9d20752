/** A child that is spoken with: nothing is lost, nothing waits, and its end shows. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { startPartner } from "../../../src/core/sys/partner.ts";

const shell = (script: string) => startPartner({ command: ["/bin/sh", "-c", script] });

async function all(output: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of output) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

/** Small pieces, and one of several times what a socket holds. */
const words = ["one ", "two ", "x".repeat(3_000_000), " three", ""];
const pieces = words.map((word) => Buffer.from(word));

test("what is said before and after it reads comes whole and in order, and then its input ends", async () => {
  const partner = shell("sleep 0.3; cat; echo over");
  partner.write(pieces);
  partner.write(pieces.slice(0, 2));
  partner.write(pieces);
  partner.end();
  expect(await all(partner.output)).toBe(`${words.join("")}one two ${words.join("")}over\n`);
});

test("each answer is there before the next is asked for", async () => {
  const partner = shell('while read -r line; do echo "heard $line"; done');
  const output = partner.output[Symbol.asyncIterator]();
  for (const word of ["a", "b", "c"]) {
    partner.write([Buffer.from(word), Buffer.from("\n")]);
    expect(String((await output.next()).value)).toBe(`heard ${word}\n`);
  }
  partner.end();
  expect((await output.next()).done).toBe(true);
});

test("one that dies, reading or not, ends its output and disturbs nobody who goes on talking", async () => {
  for (const script of ["exit 3", "read -r line; kill -9 $$", "exec 0<&-; echo bye; sleep 0.3"]) {
    const partner = shell(script);
    partner.write([Buffer.from("line\n"), Buffer.alloc(1_000_000)]);
    expect(await all(partner.output)).toBe(script.includes("bye") ? "bye\n" : "");
    partner.write([Buffer.from("more")]);
    partner.end();
    partner.write([Buffer.from("still more")]);
  }
});

test("one that can not be started leaves nothing open", () => {
  const open = (): number => readdirSync("/proc/self/fd").length;
  const before = open();
  for (let count = 0; count < 20; count++)
    expect(() => startPartner({ command: ["/nowhere/program"] })).toThrow("ENOENT");
  expect(open()).toBe(before);
});
