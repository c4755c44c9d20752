/** Words that processes share: the same ones for all, waits that end, and files that are not ours. */
import { afterAll, expect, test } from "bun:test";
import { chownSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awaitChange, sharedWords, wakeAll, wordsAt } from "../../../src/core/sys/shared-words.ts";

const place = mkdtempSync(join(tmpdir(), "qmail-words-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

function words(name: string): Int32Array {
  const address = sharedWords(join(place, name), 4);
  if (address === undefined) throw new Error(`no words in ${name}`);
  return wordsAt(address, 4);
}

test("a file is made, for its owner alone, and has the same words for everybody who asks", () => {
  const [one, other] = [words("one"), words("one")];
  Atomics.add(one, 2, 5);
  expect([...other]).toEqual([0, 0, 5, 0]);
  const { mode, size } = statSync(join(place, "one"));
  expect([mode & 0o777, size]).toEqual([0o600, 16]);
});

test("another process has them, too, and wakes who waits", async () => {
  const ours = words("two");
  const program = `
    import { sharedWords, wakeAll, wordsAt } from ${JSON.stringify(join(import.meta.dir, "../../../src/core/sys/shared-words.ts"))};
    const words = wordsAt(sharedWords(${JSON.stringify(join(place, "two"))}, 4), 4);
    Atomics.store(words, 1, 7);
    wakeAll(words, 1);`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "inherit", "inherit"] });
  while (Atomics.load(ours, 1) === 0) awaitChange(ours, 1, 0, 60_000);
  expect([...ours]).toEqual([0, 7, 0, 0]);
  expect(await child.exited).toBe(0);
});

test("a wait ends by itself, and at once where the word is another already", () => {
  const ours = words("three");
  awaitChange(ours, 0, 0, 1);
  awaitChange(ours, 0, 1, 1_000_000);
  wakeAll(ours, 0);
});

test("where there can be none, there is none", () => {
  symlinkSync("one", join(place, "link"));
  writeFileSync(join(place, "file"), "");
  for (const path of ["missing/words", "link", "file/words", "."])
    expect(sharedWords(join(place, path), 4)).toBeUndefined();
});

test.skipIf(process.geteuid?.() !== 0)("what a stranger put there is not looked at (needs root)", () => {
  const path = join(place, "strange");
  writeFileSync(path, "\x01\0\0\0");
  chownSync(path, 12345, 12345);
  expect(sharedWords(path, 4)).toBeUndefined();
});
