/** What qmail-send makes of a queue that it finds: which messages it takes up, and how few files it looks at for that. */
import { describe, expect, test } from "bun:test";
import { failure, World } from "./simulation.ts";

const week = 604800;
const count = 60;

/** Messages that are all there, every third with both kinds of recipients; none is due before `due`. */
function fill(world: World, due: number): void {
  for (let id = 1000n; id < 1000n + BigInt(count); id++) {
    world.disk.put(world.disk.path("mess", id), "x\n");
    world.disk.put(world.disk.path("info", id), "Fs@there.example\0");
    world.disk.put(world.disk.path("local", id), "Tjoe@here.example\0", due);
    if (id % 3n === 0n) world.disk.put(world.disk.path("remote", id), "Tann@there.example\0", due);
  }
}

const lists = count + count / 3;

/** Counts the calls of one kind while something is done. */
function calls(world: World, what: string, work: () => void): string[] {
  const paths: string[] = [];
  const before = world.disk.fails;
  world.disk.fails = (call, path) => {
    before(call, path);
    if (call === what) paths.push(path);
  };
  work();
  world.disk.fails = before;
  return paths;
}

test("a start looks at recipient lists, once each, and at no other file of a whole message", () => {
  const world = new World();
  fill(world, world.now + week);
  const looked = calls(world, "status", () => void world.start());
  expect(looked.every((path) => /^(local|remote)\//.test(path))).toBe(true);
  expect(new Set(looked).size).toBe(looked.length);
  expect(looked.length).toBe(lists);
});

test("an end writes the times that have changed, and no others", () => {
  const world = new World({ deliver: ({ id }) => ({ report: id < 1000n ? "Zlater\n" : "Kok\n", after: 1 }) });
  // No later than a message can be due.
  const due = world.now + 10_000;
  fill(world, due);
  world.start();
  const id = world.submit("s@there.example", ["joe@here.example"]);
  world.run(world.now + 10);
  world.manager.stop();
  const touched = calls(world, "touch", () => expect(world.run(world.now + 10)).toBe(true));
  expect(touched).toEqual([world.disk.path("local", id)]);
  world.start();
  world.run(due + 100);
  const found = world.attempts.filter((attempt) => attempt.id !== id);
  expect(found.length).toBe(lists);
  expect(found.every(({ at }) => at >= due)).toBe(true);
});

test("the sweep looks at no message that is preprocessed", () => {
  const world = new World();
  fill(world, world.now + week);
  world.disk.put("mess/7/99", "orphan");
  world.start();
  const looked = calls(world, "status", () => void world.run(world.now + 5));
  expect(looked.filter((path) => path.startsWith("mess/"))).toEqual(["mess/7/99"]);
});

describe("a folder that cannot be read at the start", () => {
  for (const folder of ["todo", "mess/3", "local/3", "remote/3", "info/3"])
    test(`${folder}: every message is tried all the same`, () => {
      const world = new World();
      fill(world, world.now);
      let failures = 0;
      world.disk.fails = (call, path) => {
        if (call === "list" && path === folder && failures++ === 0) throw failure("EIO");
      };
      world.start();
      world.run(world.now + 100);
      expect(failures).toBeGreaterThan(0);
      expect(world.attempts.length).toBe(lists);
      expect(world.left()).toEqual([]);
    });
});

test("of what is not whole, only what the reference takes up is taken up", () => {
  const world = new World();
  const put = (id: bigint, ...directories: ("mess" | "info" | "local" | "todo")[]) => {
    const texts = {
      mess: "x\n",
      info: "Fs@a\0",
      local: "Tjoe@here.example\0",
      todo: "Fs@a\0Tann@here.example\0",
    };
    for (const directory of directories) world.disk.put(world.disk.path(directory, id), texts[directory]);
  };
  put(10n, "mess", "info", "local");
  put(11n, "mess", "info", "local", "todo");
  put(12n, "info", "local");
  put(13n, "mess", "local");
  put(14n, "mess", "info");
  put(15n, "mess", "info", "local");
  // The folder of the missing file is there.
  put(12n + 23n, "mess", "info", "local");
  world.disk.put("mess/12", "");
  world.start();
  world.run(world.now + 100);
  const tried = world.attempts.map(({ id, recipient }) => `${id} ${recipient}`).sort();
  expect(tried).toEqual([
    "10 joe@here.example",
    "11 ann@here.example",
    "15 joe@here.example",
    "35 joe@here.example",
  ]);
  expect(world.log).toContain("end msg 14\n");
  expect(world.log).toContain("warning: mess/12/12 is gone; removing info/12/12 and its recipients\n");
});
