/** Turns at flushing: who may rely on whose flush, and what happens to those who never end theirs. */
import { expect, test } from "bun:test";
import { FlushTurns, momentOf, type TurnWaits, turnWords } from "../../../src/core/sys/flush-turns.ts";

const [us, them, others] = [11, 22, 33];
/** Milliseconds between somebody else's flush and ours. */
const pause = 1;

/** Processes on one disk; what they do while one waits is given for each wait. */
class Disk {
  readonly words = new Int32Array(turnWords);
  readonly flushed: number[] = [];
  now = 0;
  /** Waits that nobody ended. */
  waited: number[] = [];
  readonly meanwhile: (() => void)[] = [];

  turns(name: number): FlushTurns {
    const waits: TurnWaits = {
      change: (word, value, milliseconds) => {
        expect(this.words[word]).toBe(value);
        const event = this.meanwhile.shift();
        if (event !== undefined) event();
        else {
          this.waited.push(milliseconds);
          this.now += milliseconds;
        }
      },
      wake: () => {},
      now: () => this.now,
    };
    return new FlushTurns(this.words, name, waits);
  }

  get moment(): number {
    return momentOf(this.words);
  }

  /** A flush by that process during which something else happens. */
  flush(turns: FlushTurns, name: number, moment: number, during: () => void = () => {}): void {
    turns.flush(moment, () => {
      this.flushed.push(name);
      during();
    });
  }
}

const broken = (): never => {
  throw new Error("EIO");
};

test("alone, each flush is one", () => {
  const disk = new Disk();
  const turns = disk.turns(us);
  disk.flush(turns, us, disk.moment);
  disk.flush(turns, us, disk.moment);
  expect([disk.flushed, disk.waited]).toEqual([[us, us], []]);
});

test("a flush of somebody else that began later does as well", () => {
  const disk = new Disk();
  const [ours, theirs] = [disk.turns(us), disk.turns(them)];
  const moment = disk.moment;
  disk.flush(theirs, them, disk.moment);
  disk.flush(ours, us, moment);
  expect(disk.flushed).toEqual([them]);
});

test("one that began earlier does not: it is waited for, and then flushed", () => {
  const disk = new Disk();
  const [ours, theirs] = [disk.turns(us), disk.turns(them)];
  // Theirs goes on while ours waits: what happens then is their end.
  disk.flush(theirs, them, disk.moment, () => {
    const moment = disk.moment;
    disk.meanwhile.push(() => (disk.words[3] = 0));
    disk.flush(ours, us, moment);
  });
  expect([disk.flushed, disk.waited]).toEqual([[them, us], [pause]]);
});

test("right after somebody else's flush one waits for those whom it served, and serves them", () => {
  const disk = new Disk();
  const [ours, theirs] = [disk.turns(us), disk.turns(them)];
  const moment = disk.moment;
  disk.flush(theirs, them, moment);
  // It served us, too: two more of ours are ready, and theirs comes back while we wait.
  disk.flush(ours, us, moment);
  let since = -1;
  disk.meanwhile.push(() => (since = disk.moment));
  disk.flush(ours, us, disk.moment);
  expect(since).toBe(1);
  disk.flush(theirs, them, since);
  expect(disk.flushed).toEqual([them, us]);
  // What comes at a later time waits for nobody.
  disk.now += pause;
  disk.flush(ours, us, disk.moment);
  disk.flush(ours, us, disk.moment);
  expect([disk.flushed, disk.waited]).toEqual([[them, us, us, us], []]);
});

test("who waits relies on the next one, whoever makes it", () => {
  const disk = new Disk();
  const [ours, theirs, third] = [disk.turns(us), disk.turns(them), disk.turns(others)];
  disk.flush(theirs, them, disk.moment, () => {
    const moment = disk.moment;
    disk.meanwhile.push(() => {
      disk.words[3] = 0;
      disk.flush(third, others, moment);
    });
    disk.flush(ours, us, moment);
  });
  expect(disk.flushed).toEqual([them, others]);
});

test("a failure is the own one's, and from then on nobody relies on anybody", () => {
  const disk = new Disk();
  const [ours, theirs] = [disk.turns(us), disk.turns(them)];
  const moment = disk.moment;
  expect(() => disk.flush(theirs, them, disk.moment, broken)).toThrow("EIO");
  disk.flush(ours, us, moment);
  disk.flush(theirs, them, disk.moment);
  disk.flush(ours, us, moment);
  expect(disk.flushed).toEqual([them, us, them, us]);
  // Who comes after it was told of nothing, and nothing of his was there.
  const late = disk.turns(others);
  const since = disk.moment;
  disk.flush(theirs, them, disk.moment, () => {});
  disk.flush(late, others, since);
  expect(disk.flushed.slice(4)).toEqual([them]);
});

test("a failure does not keep the turn", () => {
  const disk = new Disk();
  const turns = disk.turns(us);
  expect(() => disk.flush(turns, us, disk.moment, broken)).toThrow("EIO");
  disk.flush(turns, us, disk.moment);
  expect([disk.flushed, disk.waited]).toEqual([[us, us], []]);
});

test("who never ends holds the others up once", () => {
  const disk = new Disk();
  const ours = disk.turns(us);
  disk.words[3] = them;
  disk.flush(ours, us, disk.moment);
  disk.flush(ours, us, disk.moment);
  expect([disk.flushed, disk.waited]).toEqual([
    [us, us],
    [200, pause],
  ]);
});

test("whose turn was taken does not end another's", () => {
  const disk = new Disk();
  const [ours, theirs] = [disk.turns(us), disk.turns(them)];
  disk.flush(theirs, them, disk.moment, () =>
    disk.flush(ours, us, disk.moment, () => expect(disk.words[3]).toBe(us)),
  );
  disk.words[3] = others;
  disk.flush(theirs, them, disk.moment, () => {
    disk.words[3] = others;
  });
  expect(disk.words[3]).toBe(others);
});

test("an early flush that ends late takes nothing back", () => {
  const disk = new Disk();
  const [ours, theirs] = [disk.turns(us), disk.turns(them)];
  let since = -1;
  disk.flush(theirs, them, disk.moment, () => {
    since = disk.moment;
    disk.flush(ours, us, since);
  });
  expect(disk.flushed).toEqual([them, us]);
  disk.flush(theirs, them, since);
  expect(disk.flushed).toEqual([them, us]);
});

test("the numbers run over and go on", () => {
  const disk = new Disk();
  disk.words.fill(2 ** 31 - 2, 0, 2);
  const [ours, theirs] = [disk.turns(us), disk.turns(them)];
  for (let count = 1; count <= 4; count++) {
    const moment = disk.moment;
    disk.flush(theirs, them, disk.moment);
    disk.flush(ours, us, moment);
    expect(disk.flushed).toEqual(Array(count).fill(them));
  }
  expect(disk.words[0]).toBe(-(2 ** 31) + 2);
});

test("three threads: each is served by a flush that began after it was ready, and ended before it went on", async () => {
  const memory = new SharedArrayBuffer(4 * (turnWords + 1));
  const workers = [us, them, others].map((name) => {
    const worker = new Worker(new URL("./flush-turns-thread.ts", import.meta.url));
    worker.postMessage({ memory, name, count: 400 });
    return worker;
  });
  const told = await Promise.all(
    workers.map(
      (worker) =>
        new Promise<Told>((resolve, reject) => {
          worker.onmessage = ({ data }: MessageEvent<Told>) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
        }),
    ),
  );
  for (const worker of workers) worker.terminate();
  const flushes = told.flatMap((each) => each.flushes);
  const served = ([from, to]: Span): boolean =>
    flushes.some(([began, ended]) => began >= from && ended <= to);
  expect(told.flatMap((each) => each.waits).filter((wait) => !served(wait))).toEqual([]);
  expect(told.flatMap((each) => each.waits).length).toBe(1200);
  // Some were served by another's.
  expect(flushes.length).toBeLessThan(1200);
});

type Span = [from: number, to: number];
interface Told {
  flushes: Span[];
  waits: Span[];
}
