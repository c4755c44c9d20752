/** The quick form of the simulated disk (`npm run simulate` is the long one): power cuts at calls of a whole mail system. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Deliveries } from "./actors.ts";
import { Killed } from "./calls.ts";
import { type Disk, modes } from "./disk.ts";
import { scenarioOf } from "./plan.ts";
import { bundle } from "./program.ts";
import { Random } from "./random.ts";
import { newCounts, newDisk, type Options, simulate, withoutBarrier } from "./simulate.ts";
import { Truth } from "./truth.ts";
import { inWords } from "./words.ts";
import { queue, start, World } from "./world.ts";

setDefaultTimeout(600_000);

const options: Options = { factory: await bundle(), cuts: 25, perCall: 4 };

/** Known to meet much in little time. */
const seeds = [2, 4, 5, 12, 27, 60, 206, 405, 983, 1004, 1010, 1283];

function expectNothing(seed: number): void {
  const counts = newCounts();
  simulate(seed, { ...options, cuts: 15 }, counts);
  expect(counts.failures.map(inWords)).toEqual([]);
  expect(counts.states).toBeGreaterThan(0);
}

for (const seed of seeds)
  test(`no power cut of seed ${seed} loses, tears or confuses a message`, () => expectNothing(seed));

const fresh = Math.floor(Math.random() * 1e9);
test(`nor one of a seed that nobody tried before: ${fresh}`, () => expectNothing(fresh));

test("a seed does the same again", () => {
  const runs = [0, 1].map(() => {
    const lines: string[] = [];
    simulate(4, { ...options, cuts: 3, trace: (line) => lines.push(line) }, newCounts());
    return lines.join("\n");
  });
  expect(runs[0]).toBe(runs[1] ?? "");
});

/** Barriers, what is wrong without them, and a seed that shows it. */
const needed: readonly (readonly [string, string, number])[] = [
  ["commit: fsync file mess", "torn", 1],
  ["commit: fsync file intd", "torn", 1],
  ["commit: fsync directory mess", "lost", 3],
  ["commit: fsync directory todo", "lost", 1],
  ["done: fsync file mess", "torn", 5],
  ["done: fsync file intd", "torn", 5],
  ["done: fsync directory todo", "lost", 5],
  ["flushAll: syncfs", "torn", 7],
  ["preprocess: fsync file info", "lost", 2],
  ["preprocess: fsync file remote", "lost", 2],
  ["preprocess: fsync directory info", "lost", 3],
  ["preprocess: fsync directory local", "lost", 3],
  ["deliverToMaildir: fsync file tmp", "torn", 1],
  ["deliverToMaildir: fsync directory new", "lost", 3],
  ["#oneByOne: fsync file tmp", "torn", 1],
  ["#oneByOne: fsync directory new", "lost", 5],
  ["done: fsync file tmp", "torn", 7],
  ["done: fsync directory new", "lost", 9],
  ["preprocess: syncfs", "lost", 1],
  ["appendToMbox: fsync directory of mbox", "lost", 5],
  ["append: fsync file bounce", "lost", 1],
  ["append: fsync directory bounce", "lost", 3],
  ["write: fsync file ask", "fell over", 3],
  ["fetchAnswers: fsync directory ask", "fell over", 402],
  ["makeDurable: fsync directory todo", "fell over", 1010],
  ["makeDurable: fsync directory info", "left", 44],
];

for (const [barrier, kind, seed] of needed)
  test(`left out and found: ${barrier}`, () => {
    const { failures } = withoutBarrier(barrier, [seed], options);
    expect(failures.map((failure) => failure.kind)).toContain(kind);
  });

test("a simulated qmail-send that tries a recipient by two at a time is caught", () => {
  const disk = newDisk("posix", 1);
  const world = worldOn(disk, () => {});
  const [deliveries, send] = [new Deliveries(world), world.process("qmail-send")];
  for (const slot of [0, 1])
    deliveries.take(
      Buffer.from(`${String.fromCharCode(slot)}0/30\0s\0ok-1-r0-0@there.example\0`),
      1,
      send,
      () => {},
    );
  expect(world.problems).toEqual(["0/30 ok-1-r0-0@there.example is tried by two at a time"]);
});

test("what is added to an mbox is there after a power cut, though whoever made it died before its name was durable", () => {
  for (let calls = 1; calls < 16; calls++) {
    const disk = newDisk("posix", 1);
    const message = disk.create(`${queue}/mess/0/30`);
    disk.write(message, Buffer.from("text\n"), 0);
    const deliver = (most: number): void => {
      const world = worldOn(disk, () => {
        if (world.step <= most) return;
        world.exit(process);
        throw new Killed();
      });
      const process = world.process("qmail-local");
      const fd = process.calls.fs.openSync(`${queue}/mess/0/30`);
      process.program.appendToMbox("/mail/b0/mbox", Buffer.from("From x\n"), fd);
    };
    try {
      deliver(calls);
    } catch (thrown) {
      if (!(thrown instanceof Killed)) throw thrown;
    }
    deliver(Number.POSITIVE_INFINITY);
    for (let index = 0; index < 20; index++) {
      const random = new Random(index);
      const [cut] = disk.cuts(1, random);
      const left = cut && disk.after(cut, random).find("/mail/b0/mbox");
      expect(left?.data.toString()).toEndWith("From x\ntext\n\n");
    }
  }
});

function worldOn(disk: Disk, explore: () => void): World {
  const setting = {
    scenario: scenarioOf(1),
    truth: new Truth(),
    random: new Random(1),
    factory: options.factory,
  };
  return new World({ ...setting, disk, epoch: 0, now: start, calm: true, explore });
}

describe("the disk", () => {
  const file = "/home/queue/todo/x";

  function written(mode: (typeof modes)[number]): Disk {
    const disk = newDisk(mode, 1);
    disk.write(disk.create(file), Buffer.alloc(1024, "a"), 0);
    return disk;
  }

  const contents = (disk: Disk, name = file): Set<string> => {
    const found = Array.from({ length: 200 }, (_, index) => {
      const random = new Random(index);
      const [cut] = disk.cuts(1, random);
      return cut === undefined
        ? ""
        : (disk.after(cut, random).find(name)?.data.toString().replaceAll("\0", ".") ?? "gone");
    });
    return new Set(found);
  };

  for (const mode of modes)
    test(`${mode}: what was not synced is gone, there, or torn by sectors`, () => {
      const found = [...contents(written(mode))].map((text) => text.replace(/(.)\1{511}/g, "$1"));
      expect(found.sort()).toEqual(["", "..", ".a", "a.", "aa", "gone"]);
    });

  for (const mode of modes)
    test(`${mode}: what was synced is there`, () => {
      const disk = written(mode);
      const node = disk.find(file);
      if (node === undefined) throw new Error("no file");
      disk.syncFile(node, false);
      disk.syncDirectory(disk.parent(file).directory, false);
      expect(contents(disk)).toEqual(new Set(["a".repeat(1024)]));
    });

  test("a sync that fails drops what was written, and the next one says nothing of it", () => {
    const disk = written("journal");
    const node = disk.find(file);
    if (node === undefined) throw new Error("no file");
    expect(() => disk.syncFile(node, true)).toThrow("EIO");
    disk.syncFile(node, false);
    disk.syncAll();
    expect(node.data.toString()).toBe("a".repeat(1024));
    expect(contents(disk).has("a".repeat(1024))).toBe(false);
  });

  test("journal: the number of a file that is gone is the next one's, and never that of two", () => {
    const disk = written("journal");
    const number = disk.find(file)?.number;
    disk.unlink(file);
    expect(disk.create("/home/queue/todo/y").number).toBe(number ?? 0);
    for (const text of contents(disk, "/home/queue/todo/y")) expect(text).toBeOneOf(["", "gone"]);
  });
});
