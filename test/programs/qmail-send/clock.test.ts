/** Clocks that are set while qmail-send works, or before it starts, in simulated time. */
import { describe, expect, test } from "bun:test";
import { World } from "./simulation.ts";

const [day, decade] = [86_400, 315_576_000];

for (const jump of [day, decade])
  describe(`a clock that is set back by ${jump} seconds`, () => {
    /** A message that was put off by both channels, and the world in which the reason is gone. */
    const putOff = (): World => {
      let better = false;
      const world = new World({ deliver: () => ({ report: better ? "Kok/\n" : "Zlater\n", after: 1 }) });
      world.submit("s@x.example", ["joe@here.example", "ann@there.example"]);
      world.run(world.now + 10);
      better = true;
      return world;
    };

    test("what was put off is tried at once", () => {
      const world = putOff();
      world.now -= jump;
      world.manager.triggered();
      world.run(world.now + 10);
      expect(world.left()).toEqual([]);
      expect(world.log).toMatch(/^warning: clock went back \d+ seconds; trying everything again$/m);
    });

    test("what was put off before a start is tried within hours", () => {
      const world = putOff();
      world.manager.stop();
      world.run(world.now + 10);
      world.now -= jump;
      world.start();
      world.run(world.now + day / 2);
      expect(world.left()).toEqual([]);
    });

    test("a message from the future is tried more than once a day", () => {
      const world = new World({ deliver: () => ({ report: "Zlater\n", after: 1 }) });
      world.submit("s@x.example", ["joe@here.example"]);
      world.run(world.now + 10);
      world.now -= jump;
      world.manager.triggered();
      const before = world.attempts.length;
      world.run(world.now + day);
      expect(world.attempts.length - before).toBeGreaterThan(4);
    });
  });

for (const step of [1, 60])
  test(`a clock that is put right by ${step} seconds is no news`, () => {
    const world = new World({ deliver: () => ({ report: "Zlater\n", after: 1 }) });
    world.submit("s@x.example", ["joe@here.example"]);
    world.run(world.now + 10);
    world.now -= step;
    world.manager.triggered();
    world.run(world.now + 20);
    expect(world.attempts.length).toBe(1);
    expect(world.log).not.toContain("clock");
  });

test("a clock that is set forward by ten years: what is due is tried, and only what fails then bounces", () => {
  const world = new World({
    deliver: ({ recipient }) => ({
      report: recipient === "joe@here.example" ? "Kok/\n" : "Zlater\n",
      after: 1,
    }),
  });
  world.submit("s@there.example", ["ann@here.example"]);
  world.run(world.now + 10);
  world.now += decade;
  world.submit("s@there.example", ["joe@here.example"]);
  world.run(world.now + 1000);
  expect(world.log).toMatch(/delivery \d+: success: ok\//);
  expect(world.notices.map(({ notice }) => notice.recipient)).toEqual(["s@there.example"]);
  expect(world.notices[0]?.failures).toContain("has been in the queue too long");
});

for (const jump of [2 * day, decade, -decade])
  test(`a clock that is set by ${jump} seconds: what is being filed is not taken for dead, and the dead go later`, () => {
    const world = new World();
    world.run(world.now + 10);
    const [filed, dead] = [world.disk.path("mess", 55n), world.disk.path("mess", 78n)];
    world.disk.put(filed, "half of it");
    world.disk.put(dead, "all that ever came");
    world.now += jump;
    world.run(world.now + day);
    expect(world.left()).toEqual([filed, dead]);
    for (const name of ["intd/55", "todo/55"]) world.disk.put(name, "Fs@a\0Tjoe@here.example\0");
    world.manager.triggered();
    world.disk.touch(dead, world.now - 2 * day);
    world.run(world.now + 10);
    expect(world.left()).toEqual([dead]);
    world.run(world.now + 2 * day);
    expect(world.left()).toEqual([]);
  });
