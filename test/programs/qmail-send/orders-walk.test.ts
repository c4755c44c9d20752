/**
 * Orders at random moments, drawn from a seed: of messages on their way in, straight from todo, in passes, held, and
 * over stops. Nobody is tried by two at a time, nobody gets a message again, and none stays whose recipients are done.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { formatOrder, type Verb } from "../../../src/core/queue/order-words.ts";
import { Random } from "../../simulator/random.ts";
import { failure, World } from "./simulation.ts";

setDefaultTimeout(120_000);

const verbs: readonly Verb[] = ["hold", "hold", "release", "release", "retry", "retry", "retry"];

/** One world; what was wrong in it. */
class Walk {
  readonly problems: string[] = [];
  /** Whether a call of the disk failed. */
  failed = false;
  stops = 0;
  readonly world: World;
  readonly #random: Random;
  readonly #ids: bigint[] = [];
  readonly #under = new Set<string>();
  readonly #done = new Set<string>();
  /** How long everything takes. */
  readonly #scale: number;
  readonly #success: number;
  #orders = 0;
  /** When qmail-clean, which does one thing after the other, is through with all. */
  #cleanAt = 0;

  constructor(seed: number) {
    const random = new Random("walk", seed);
    this.#random = random;
    this.#scale = random.of([1, 0.1, 3]);
    this.#success = random.of([0.15, 0.5, 0.9]);
    this.world = new World({
      settings: { concurrency: [random.of([1, 2, 10]), random.of([1, 3, 20])] },
      deliver: ({ id, recipient }) => this.#deliver(`${id} ${recipient}`),
      cleanAfter: () => {
        this.#cleanAt = Math.max(this.#cleanAt, this.world.now + random.of([0, 0, 0.01, 0.5]) * this.#scale);
        return this.#cleanAt - this.world.now;
      },
      injectAfter: () => ({ result: random.chance(0.9) ? "queued" : "refused", after: random.of([0, 1]) }),
    });
  }

  #deliver(whom: string): { report: string; after: number } {
    const { world } = this;
    const random = this.#random;
    if (this.#under.has(whom)) this.problems.push(`${whom} is tried by two at a time`);
    if (this.#done.has(whom) && !this.failed) this.problems.push(`${whom} is tried again`);
    this.#under.add(whom);
    const report = random.chance(this.#success) ? "Kok\n" : random.chance(0.9) ? "Zno\n" : "Dnever\n";
    const after = random.of([0, 0.01, 0.06, 1, 4]) * this.#scale;
    world.after(after, () => {
      this.#under.delete(whom);
      if (!report.startsWith("Z")) this.#done.add(whom);
    });
    return { report, after };
  }

  /** A call of the disk fails now and then. */
  breakDisk(): void {
    const often = this.#random.of([100, 600, 3000]);
    let fuse = this.#random.below(often);
    this.world.disk.fails = () => {
      if (--fuse > 0) return;
      fuse = this.#random.below(often);
      this.failed = true;
      throw failure("EIO");
    };
  }

  /** Lets all of it happen. */
  run(): void {
    const { world } = this;
    const random = this.#random;
    for (let count = 1 + random.below(8); count > 0; count--) {
      const recipients = Array.from(
        { length: 1 + random.below(3) },
        (_, place) => `r${place}@${random.of(["here", "there"])}.example`,
      );
      this.#later([5], () => this.#ids.push(world.submit("s@there.example", recipients)));
    }
    this.#order();
    if (random.chance(0.2)) this.#later([20], () => world.manager.retryAll(world.now));
    const end = world.now + 2000 * this.#scale;
    for (let count = random.below(4); count > 0; count--) {
      this.#later([3, 10, 60], () => world.manager.stop());
      if (!world.run(end)) break;
      this.stops++;
      this.#under.clear();
      this.#cleanAt = 0;
      world.start();
      this.#order();
    }
    world.run(end);
  }

  #later(within: readonly number[], happen: () => void): void {
    this.world.after(this.#random.next() * this.#random.of(within) * this.#scale, happen);
  }

  #order(): void {
    for (let count = this.#random.below(60); count > 0; count--)
      this.#later([3, 10, 60, 600], () => {
        if (this.#ids.length > 0) this.#give();
      });
  }

  #give(): void {
    const { disk, manager } = this.world;
    const random = this.#random;
    const verb = random.chance(0.05) ? random.of(["remove", "bounce"] as const) : random.of(verbs);
    const ids = Array.from({ length: 1 + random.below(4) }, () => random.of(this.#ids));
    const targets = ids.map((id) => ({ id, identity: disk.identity(id) ?? "0" }));
    disk.put(
      `ask/${String(++this.#orders).padStart(8, "0")}.ask`,
      formatOrder({ verb, text: "x\n", targets }),
    );
    manager.triggered();
  }

  /** Lists without anybody to be tried, where nothing is under way. A stop may come between a mark and the end. */
  ended(): string[] {
    if (this.#under.size > 0 || this.failed || this.stops > 0) return [];
    return [...this.world.disk.files]
      .filter(([path, { text }]) => /^(local|remote)\//.test(path) && !/(^|\0)T/.test(text))
      .map(([path]) => `${path} has nobody left`);
  }
}

const seeds = 250;

for (const breaks of [false, true])
  test(`${seeds} worlds${breaks ? " whose disk fails now and then" : ""}`, () => {
    for (let seed = 0; seed < seeds; seed++) {
      const walk = new Walk(seed);
      if (breaks) walk.breakDisk();
      walk.run();
      expect([...walk.problems, ...walk.ended()].map((words) => `seed ${seed}: ${words}`)).toEqual([]);
    }
  });
