/** One timer for all who wait. */
import { expect, test } from "bun:test";
import { Deadlines, type Waiting } from "../../../src/core/sys/deadlines.ts";

/** Someone who notes when they were told. */
class Sleeper implements Waiting {
  slot: number | undefined;
  until: number;
  told: number[] = [];
  readonly #lateToo: () => void;
  constructor(until: number, lateToo: () => void = () => {}) {
    this.until = until;
    this.#lateToo = lateToo;
  }
  late(): void {
    this.told.push(performance.now());
    this.#lateToo();
  }
}

const inSome = (milliseconds: number): number => performance.now() + milliseconds;

test("each is told once, not before their end, in any order of ends", async () => {
  const deadlines = new Deadlines();
  const sleepers = [400, 50, 0, -1000, 150, 50].map((rest) => new Sleeper(inSome(rest)));
  for (const sleeper of sleepers) deadlines.watch(sleeper);
  while (sleepers.some(({ told }) => told.length === 0)) await Bun.sleep(20);
  await Bun.sleep(150);
  for (const { told, until } of sleepers) {
    expect(told).toHaveLength(1);
    expect(told[0]).toBeGreaterThanOrEqual(until);
  }
});

test("an end that moves away is not told before, one that comes nearer is", async () => {
  const deadlines = new Deadlines();
  const away = new Sleeper(inSome(100));
  const nearer = new Sleeper(inSome(3_600_000));
  for (const sleeper of [away, nearer]) deadlines.watch(sleeper);
  away.until = inSome(600);
  nearer.until = inSome(100);
  for (const sleeper of [away, nearer]) deadlines.watch(sleeper);
  while (nearer.told.length === 0) await Bun.sleep(20);
  while (away.told.length === 0) await Bun.sleep(20);
  expect(away.told[0]).toBeGreaterThanOrEqual(away.until);
  expect([away.told.length, nearer.told.length]).toEqual([1, 1]);
});

test("who is forgotten, or never late, is not told; not even by who is told at the same time", async () => {
  const deadlines = new Deadlines();
  const until = inSome(50);
  const forgotten = new Sleeper(until);
  const never = new Sleeper(Number.POSITIVE_INFINITY);
  const neighbour = new Sleeper(until);
  const first = new Sleeper(until, () => deadlines.forget(neighbour));
  for (const sleeper of [forgotten, never, first, neighbour]) deadlines.watch(sleeper);
  deadlines.forget(forgotten);
  while (first.told.length === 0) await Bun.sleep(20);
  await Bun.sleep(200);
  expect([forgotten, never, neighbour].map(({ told }) => told)).toEqual([[], [], []]);
});
