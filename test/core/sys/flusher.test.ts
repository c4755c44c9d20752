/** The thread that flushes: what it can promise, and what it says when it cannot. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Flusher } from "../../../src/core/sys/flusher.ts";
import { canUnshare, unshare } from "../../helpers/namespace.ts";

const place = mkdtempSync(join(tmpdir(), "qmail-flusher-"));
let flusher: Flusher | undefined;
afterEach(() => {
  flusher?.close();
  flusher = undefined;
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

test("files and names, and everything at once", async () => {
  flusher = new Flusher([place]);
  const fd = openSync(join(place, "file"), "w");
  await flusher.each({ files: [fd], directories: [place] });
  await flusher.all?.(flusher.moment, [fd]);
  expect(flusher.isDead).toBe(false);
  closeSync(fd);
});

test("a failure has the name of its errno, and the next one goes on", async () => {
  flusher = new Flusher([place]);
  const failures = await Promise.allSettled([
    flusher.each({ files: [1_000_000], directories: [] }),
    flusher.each({ files: [], directories: [join(place, "missing")] }),
    flusher.each({ files: [], directories: [place] }),
  ]);
  const codes = failures.map((end) =>
    end.status === "rejected" ? (end.reason as { code: string }).code : "kept",
  );
  expect(codes).toEqual(["EBADF", "ENOENT", "kept"]);
});

test("on several file systems there is no flush of everything", () => {
  flusher = new Flusher([place, "/proc"]);
  expect(flusher.all).toBeUndefined();
});

test("files do not wait behind everything", async () => {
  flusher = new Flusher([place]);
  const fd = openSync(join(place, "beside"), "w");
  flusher.begin([fd]);
  const ends = [flusher.all?.(flusher.moment, [fd]), flusher.each({ files: [fd], directories: [place] })];
  await Promise.all(ends);
  expect(flusher.isDead).toBe(false);
  closeSync(fd);
});

test.skipIf(!canUnshare())(
  "no way of flushing says that all is well where nothing can be written (needs root, mount namespaces)",
  () => {
    const script = join(import.meta.dir, "flush-read-only.ts");
    const mount = mkdtempSync(join(place, "mount-"));
    const run = Bun.spawnSync([...unshare, process.execPath, script, mount], { stderr: "inherit" });
    const ways = ["all", "each", "names", "names, meanwhile", "file system"];
    const all = (outcome: string) => Object.fromEntries(ways.map((way) => [way, outcome]));
    expect(JSON.parse(run.stdout.toString())).toEqual([all("flushed"), all("EROFS")]);
  },
);
