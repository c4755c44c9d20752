/** Group commit without a disk: who shares a flush with whom, and what a failure or a slow disk does. */
import { expect, test } from "bun:test";
import { type Barrier, GroupCommit } from "../../../src/core/queue/group.ts";

const barrier = (file: number): Barrier => ({ files: [file], directories: [] });
const later = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A disk whose flushes end when they are told to. */
class Disk {
  now = 0;
  /** What was flushed: `all`, or a file's number. */
  readonly flushed: (number | "all")[] = [];
  readonly ends: { resolve: () => void; reject: (failure: Error) => void }[] = [];
  readonly timers = new Set<{ at: number; call: () => void }>();
  readonly group: GroupCommit;
  readonly results: string[] = [];

  constructor(hasAll = true) {
    const flush = (what: number | "all") => () => {
      this.flushed.push(what);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.ends.push({ resolve, reject });
      return promise;
    };
    this.group = new GroupCommit(
      { all: hasAll ? flush("all") : undefined, each: ({ files }) => flush(files[0] ?? -1)(), moment: 0 },
      {
        now: () => this.now,
        after: (milliseconds, call) => {
          const timer = { at: this.now + milliseconds, call };
          this.timers.add(timer);
          return () => this.timers.delete(timer);
        },
      },
    );
  }

  wait(...files: number[]): void {
    for (const file of files)
      this.group.wait(barrier(file)).then(
        () => this.results.push(`${file} kept`),
        (failure: Error) => this.results.push(`${file} ${failure.message}`),
      );
  }

  /** Time passes, and nothing ends. */
  async pass(milliseconds: number): Promise<void> {
    await later();
    this.now += milliseconds;
    for (const timer of this.timers) if (timer.at <= this.now && this.timers.delete(timer)) timer.call();
    await later();
  }

  /** The flushes under way end after so many milliseconds. */
  async end(milliseconds: number, failure?: Error): Promise<void> {
    await later();
    this.now += milliseconds;
    for (const { resolve, reject } of this.ends.splice(0))
      failure === undefined ? resolve() : reject(failure);
    await later();
  }
}

test("a lone one waits for nobody, and flushes only what is its own", async () => {
  const disk = new Disk();
  disk.wait(1);
  await disk.end(1);
  expect([disk.flushed, disk.results]).toEqual([[1], ["1 kept"]]);
});

test("those that come together share a flush", async () => {
  const disk = new Disk();
  disk.wait(1, 2, 3);
  await disk.end(1);
  expect([disk.flushed, disk.results]).toEqual([["all"], ["1 kept", "2 kept", "3 kept"]]);
});

test("who comes while a flush is under way is not promised anything by it", async () => {
  const disk = new Disk();
  disk.wait(1);
  await later();
  disk.wait(2, 3);
  await later();
  expect(disk.flushed).toEqual([1]);
  await disk.end(1);
  expect([disk.flushed, disk.results]).toEqual([[1, "all"], ["1 kept"]]);
  await disk.end(1);
  expect(disk.results).toEqual(["1 kept", "2 kept", "3 kept"]);
});

test("a failure is everybody's who was in it, and nobody else's", async () => {
  const disk = new Disk();
  disk.wait(1, 2);
  await later();
  disk.wait(3, 4);
  await disk.end(1, new Error("EIO"));
  expect(disk.results).toEqual(["1 EIO", "2 EIO"]);
  // It may have been the data of these that failed, and only their own files would tell: once is enough.
  expect(disk.flushed).toEqual(["all", 3, 4]);
  await disk.end(1);
  expect(disk.results).toEqual(["1 EIO", "2 EIO", "3 kept", "4 kept"]);
  disk.wait(5, 6);
  await disk.end(1);
  expect(disk.flushed).toEqual(["all", 3, 4, "all"]);
});

test("the first to come back of those that shared has them for company", async () => {
  const disk = new Disk();
  disk.wait(1, 2);
  await disk.end(1);
  disk.now += 49;
  disk.wait(1);
  await disk.end(1);
  disk.now += 50;
  disk.wait(2);
  await disk.end(1);
  expect(disk.flushed).toEqual(["all", "all", 2]);
});

test("a shared flush is asked for what was complete when the last one came", async () => {
  const moments: number[] = [];
  const disk = {
    moment: 0,
    all: async (moment: number) => void moments.push(moment),
    each: async () => {},
  };
  const group = new GroupCommit(disk, { now: () => 0, after: () => () => {} });
  const ends = [3, 7, 8].map((moment) => {
    disk.moment = moment;
    return group.wait(barrier(moment));
  });
  disk.moment = 20;
  await Promise.all(ends);
  expect(moments).toEqual([8]);
});

test("who cannot even say when that is has the failure, and nobody else", async () => {
  const disk = {
    get moment(): number {
      throw new Error("EMFILE");
    },
    all: undefined,
    each: async () => {},
  };
  const group = new GroupCommit(disk, { now: () => 0, after: () => () => {} });
  expect(group.wait(barrier(1))).rejects.toThrow("EMFILE");
});

test("one by one, a failure is one's own", async () => {
  const disk = new Disk(false);
  disk.wait(1, 2);
  await later();
  expect(disk.flushed).toEqual([1, 2]);
  const [first, second] = disk.ends.splice(0);
  first?.reject(new Error("ENOSPC"));
  second?.resolve();
  await later();
  expect(disk.results.sort()).toEqual(["1 ENOSPC", "2 kept"]);
});

test("where other programs' data makes the shared flush slow, each flushes its own for ever longer", async () => {
  const disk = new Disk();
  disk.wait(1);
  await disk.end(2);
  for (const seconds of [1, 2, 4, 8, 16, 16]) {
    disk.wait(2, 3);
    await disk.end(900);
    disk.wait(4, 5);
    await disk.end(4);
    disk.now += seconds * 1000 - 10;
    disk.wait(6, 7);
    await disk.end(3);
    expect(disk.flushed.splice(0)).toEqual([...(seconds === 1 ? [1] : []), "all", 4, 5, 6, 7]);
    disk.now += 10;
  }
  disk.wait(8, 9);
  await disk.end(3);
  disk.wait(2, 3);
  await disk.end(900);
  disk.wait(4, 5);
  await disk.end(4);
  disk.now += 1000;
  disk.wait(6, 7);
  await disk.end(3);
  expect(disk.flushed).toEqual(["all", "all", 4, 5, "all"]);
  expect(disk.results.length).toBe(45);
});

test("a shared flush that costs its members less than their own is no reason to change", async () => {
  const disk = new Disk();
  disk.wait(1);
  await disk.end(20);
  disk.wait(...Array.from({ length: 50 }, (_, file) => file));
  await disk.end(100);
  disk.wait(60, 61);
  await disk.end(5);
  expect(disk.flushed).toEqual([1, "all", "all"]);
});

test("a disk on which everything is slow goes on with shared flushes, also where nobody knew that it is", async () => {
  const disk = new Disk();
  disk.wait(1, 2, 3, 4);
  await disk.end(80);
  disk.wait(5, 6, 7, 8);
  await disk.end(60);
  disk.wait(9, 10);
  await disk.end(30);
  expect(disk.flushed).toEqual(["all", 5, 6, 7, 8, "all"]);
});

test("one slow flush among many fast ones changes nothing for longer than a group", async () => {
  const disk = new Disk();
  const members = Array.from({ length: 20 }, (_, file) => file);
  for (let count = 0; count < 5; count++) {
    disk.wait(...members);
    await disk.end(4);
  }
  disk.wait(...members);
  await disk.end(55);
  disk.wait(...members);
  await disk.end(8);
  disk.wait(1, 2);
  await disk.end(4);
  expect(disk.flushed).toEqual([...Array(6).fill("all"), ...members, "all"]);
});

test("who waits for a shared flush that does not end is flushed beside it, and so are the next ones", async () => {
  const disk = new Disk();
  disk.wait(1, 2);
  await disk.pass(99);
  expect(disk.flushed).toEqual(["all"]);
  await disk.pass(1);
  const [stuck, ...members] = disk.ends.splice(0);
  expect(disk.flushed.splice(0)).toEqual(["all", 1, 2]);
  for (const { resolve } of members) resolve();
  await later();
  expect(disk.results.splice(0)).toEqual(["1 kept", "2 kept"]);
  disk.wait(3, 4);
  await disk.end(5);
  stuck?.resolve();
  await later();
  // For a second from then on, and for two when that is not enough.
  disk.wait(5, 6);
  await disk.end(5);
  disk.now += 1000;
  disk.wait(7, 8);
  await disk.pass(100);
  expect(disk.flushed.splice(0)).toEqual([3, 4, 5, 6, "all", 7, 8]);
  const [again, ...others] = disk.ends.splice(0);
  for (const { resolve } of others) resolve();
  await later();
  again?.resolve();
  await later();
  disk.now += 1990;
  disk.wait(9, 10);
  await disk.end(5);
  disk.now += 10;
  disk.wait(11, 12);
  await disk.end(5);
  expect(disk.flushed).toEqual([9, 10, "all"]);
  expect(disk.results.length).toBe(10);
});

test("a late flush that ends earlier than those of its members will do for them, and is no reason to change", async () => {
  const disk = new Disk();
  disk.wait(1, 2);
  await disk.pass(100);
  const [late, ...members] = disk.ends.splice(0);
  late?.resolve();
  await later();
  expect(disk.results).toEqual(["1 kept", "2 kept"]);
  disk.wait(3, 4);
  await later();
  for (const { reject } of members) reject(new Error("EBADF"));
  await disk.end(4);
  expect(disk.flushed).toEqual(["all", 1, 2, "all"]);
  expect(disk.results).toEqual(["1 kept", "2 kept", "3 kept", "4 kept"]);
});

test("where a late flush fails, each member's own says what became of it, and of those after it", async () => {
  const disk = new Disk();
  disk.wait(1, 2);
  await disk.pass(100);
  const [late, first, second] = disk.ends.splice(0);
  late?.reject(new Error("EIO"));
  await later();
  expect(disk.results).toEqual([]);
  first?.reject(new Error("EIO of its own"));
  second?.resolve();
  await later();
  expect(disk.results).toEqual(["1 EIO of its own", "2 kept"]);
  disk.wait(3, 4);
  await disk.end(4);
  expect(disk.flushed).toEqual(["all", 1, 2, 3, 4]);
});

test("late is much longer than usual, where the disk is slow", async () => {
  const disk = new Disk();
  for (let count = 0; count < 3; count++) {
    disk.wait(1, 2);
    await disk.pass(80);
    await disk.end(0);
    disk.wait(3, 4);
    await disk.end(80);
  }
  disk.flushed.splice(0);
  disk.wait(1, 2);
  await disk.pass(239);
  expect(disk.flushed).toEqual(["all"]);
  await disk.pass(1);
  expect(disk.flushed).toEqual(["all", 1, 2]);
});
