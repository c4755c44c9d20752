/** What is kept of files, and when it counts no more. */
import { expect, test } from "bun:test";
import { renameSync, type Stats, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { Kept } from "../../../src/core/sys/kept.ts";
import { Scratch } from "../../helpers/built.ts";

/** How often something was made of a file. */
class Counter {
  readonly kept = new Kept<number>();
  count = 0;
  look(status: Stats): number {
    return this.kept.of(status, () => ++this.count);
  }
}

test("a file that did not change is read once; a young one each time", async () => {
  using scratch = new Scratch();
  const path = scratch.write("file", "text");
  const counter = new Counter();
  const look = () => counter.look(statSync(path));
  expect([look(), look()]).toEqual([1, 2]);
  await Bun.sleep(2100);
  expect([look(), look(), look()]).toEqual([3, 3, 3]);
});

/** Changes after which a file is another one, the time of its content set back to what it was. */
const changes: Readonly<Record<string, (path: string) => void>> = {
  written: (path) => writeFileSync(path, "TEXT"),
  shorter: (path) => truncateSync(path, 1),
  replaced: (path) => {
    writeFileSync(`${path}.new`, "TEXT");
    renameSync(`${path}.new`, path);
  },
  touched: (path) => utimesSync(path, 1, 1),
};

test("any change counts at once, whatever the times of the file say", async () => {
  using scratch = new Scratch();
  const names = Object.keys(changes);
  const counters = names.map((name) => ({ name, path: scratch.write(name, "text"), counter: new Counter() }));
  await Bun.sleep(2100);
  for (const { name, path, counter } of counters) {
    const before = statSync(path);
    expect([counter.look(before), counter.look(before)]).toEqual([1, 1]);
    changes[name]?.(path);
    utimesSync(path, before.atime, before.mtime);
    expect([name, counter.look(statSync(path))]).toEqual([name, 2]);
  }
});
