/** Orders of the queue tools, in simulated time: what each does in each state of a message, and after a crash anywhere. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { formatOrder, type Order, readPaper, type Verb } from "../../../src/core/queue/order-words.ts";
import { type Attempt, type Behaviour, failure, World } from "./simulation.ts";

setDefaultTimeout(900_000);

const later = { report: "Zlater\n", after: 1 };

let orders = 0;

/** Gives an order as the tools do; returns the path of its answer. */
function give(world: World, verb: Verb, ids: readonly bigint[], text = "Sorry.\n"): string {
  const name = `ask/${String(++orders).padStart(8, "0")}`;
  const targets = ids.map((id) => ({ id, identity: world.disk.identity(id) ?? "0" }));
  const order: Order = { verb, text, targets };
  world.disk.put(`${name}.ask`, formatOrder(order));
  world.manager.triggered();
  return `${name}.did`;
}

/** Gives an order, lets qmail-send see it, and returns what became of each message. */
function ordered(world: World, verb: Verb, ...ids: bigint[]) {
  const answer = give(world, verb, ids);
  world.run(world.now);
  const { outcomes } = readPaper(world.disk, answer);
  world.disk.remove(answer);
  return ids.map((id) => outcomes.get(id));
}

/** Queue files of messages that are left: all but answers nobody fetched. */
const left = (world: World): string[] => world.left().filter((path) => !path.startsWith("ask/"));

/** A world with one message that was deferred once. */
function deferred(behaviour: Behaviour = { deliver: () => later }): { world: World; id: bigint } {
  const world = new World(behaviour);
  const id = world.submit("s@there.example", ["joe@here.example", "ann@there.example"]);
  world.run(world.now + 5);
  return { world, id };
}

describe("each order", () => {
  test("hold: nothing is tried, not even after a restart, ALRM or the end of its time; release: at once", () => {
    const { world, id } = deferred();
    expect(ordered(world, "hold", id)).toEqual(["done"]);
    expect(ordered(world, "hold", id)).toEqual(["same"]);
    expect(world.log).toEndWith(`hold msg ${id}\n`);
    world.attempts.length = 0;
    world.run(world.now + 1_000_000);
    world.manager.retryAll(world.now);
    world.run(world.now + 10);
    world.start();
    world.run(world.now + 10);
    expect(world.attempts).toEqual([]);
    expect(ordered(world, "retry", id)).toEqual(["held"]);
    expect(ordered(world, "release", id)).toEqual(["done"]);
    expect(world.attempts.map(({ recipient }) => recipient)).toEqual([
      "joe@here.example",
      "ann@there.example",
    ]);
    expect(ordered(world, "release", id)).toEqual(["same"]);
    expect(world.disk.names("hold")).toEqual([]);
  });

  test("retry: at once, though it was deferred, and the next attempt is by the schedule", () => {
    const { world, id } = deferred();
    world.attempts.length = 0;
    expect(ordered(world, "retry", id)).toEqual(["done"]);
    expect(world.attempts.length).toBe(2);
    world.run(world.now + 50);
    expect(world.attempts.length).toBe(2);
    world.run(world.now + 500);
    expect(world.attempts.length).toBeGreaterThan(2);
    expect(world.log).toContain(`retry msg ${id}\n`);
  });

  test("remove: gone, and nobody is told", () => {
    const { world, id } = deferred();
    expect(ordered(world, "remove", id)).toEqual(["done"]);
    world.run(world.now + 10);
    expect(left(world)).toEqual([]);
    expect(world.notices).toEqual([]);
    expect(world.log).toContain(`remove msg ${id}\nend msg ${id}\n`);
    expect(ordered(world, "remove", id)).toEqual(["gone"]);
  });

  test("remove takes a message whose failures wait to be told as well", () => {
    const world = new World({
      deliver: ({ recipient }) => (recipient.startsWith("joe") ? { report: "Dno\n", after: 1 } : later),
    });
    const id = world.submit("s@there.example", ["joe@here.example", "ann@there.example"]);
    world.run(world.now + 5);
    expect(world.disk.status(`bounce/${id}`)).toBeDefined();
    expect(ordered(world, "remove", id)).toEqual(["done"]);
    world.run(world.now + 1_000_000);
    expect(left(world)).toEqual([]);
    expect(world.notices).toEqual([]);
  });

  test("a message that is named twice is removed once: the next message may have its number already", () => {
    const { world, id } = deferred();
    expect(ordered(world, "remove", id, id)).toEqual(["done", "done"]);
    world.run(world.now + 10);
    expect(world.cleaned.filter((request) => request === `foop/${id}`).length).toBe(1);
  });

  test("bounce: every recipient that is left has failed, and the bounce is an ordinary one", () => {
    const { world, id } = deferred({
      deliver: ({ recipient }) => (recipient.startsWith("joe") ? { report: "Kok\n", after: 1 } : later),
    });
    expect(ordered(world, "bounce", id)).toEqual(["done"]);
    world.run(world.now + 3);
    expect(world.notices.map(({ failures, notice }) => [notice.recipient, failures])).toEqual([
      ["s@there.example", "<ann@there.example>:\nSorry.\n\n"],
    ]);
    expect(world.log).toMatch(
      new RegExp(`give up msg ${id}: recipients 1\\n[^]*bounce msg ${id} qp 77\\nend msg ${id}`),
    );
    expect(left(world).filter((path) => path.endsWith(`/${id}`))).toEqual([]);
  });

  test("hold comes too late where no recipient is left", () => {
    const { world, id } = deferred();
    const bounced = give(world, "bounce", [id]);
    const held = give(world, "hold", [id]);
    world.run(world.now);
    const outcomes = [bounced, held].map((answer) => readPaper(world.disk, answer).outcomes.get(id));
    expect(outcomes).toEqual(["done", "over"]);
    world.run(world.now + 10);
    expect(world.notices.length).toBe(1);
    expect(world.disk.names("hold")).toEqual([]);
  });

  test("a number that another message has by now is not touched", () => {
    const { world, id } = deferred();
    const answer = `ask/${String(++orders).padStart(8, "0")}`;
    const order = formatOrder({ verb: "remove", text: "", targets: [{ id, identity: "987654321" }] });
    world.disk.put(`${answer}.ask`, order);
    world.manager.triggered();
    world.run(world.now);
    expect([...readPaper(world.disk, `${answer}.did`).outcomes]).toEqual([[id, "gone"]]);
    expect(world.disk.status(world.disk.path("info", id))).toBeDefined();
  });

  test("an order nobody can understand is put aside, and others are carried out", () => {
    const { world, id } = deferred();
    world.disk.put("ask/0.ask", "vdance\0e\0");
    world.disk.put("ask/1.act", "vremove\0");
    expect(ordered(world, "hold", id)).toEqual(["done"]);
    expect(world.disk.names("ask")).toEqual(["0.did", "1.did"]);
    world.run(world.now + 200_000);
    expect(world.disk.names("ask")).toEqual([]);
  });
});

describe("while the message is being tried", () => {
  const slow = { deliver: (): { report: string; after: number } => ({ report: "Zlater\n", after: 100 }) };

  function trying(behaviour: Behaviour = slow): { world: World; id: bigint } {
    const world = new World(behaviour);
    const id = world.submit("s@there.example", ["joe@here.example", "ann@there.example"]);
    world.run(world.now + 1);
    expect(world.attempts.length).toBe(2);
    return { world, id };
  }

  test("hold is in force after the attempt", () => {
    const { world, id } = trying();
    expect(ordered(world, "hold", id)).toEqual(["later"]);
    world.run(world.now + 1_000_000);
    expect(world.attempts.length).toBe(2);
    expect(world.log).toContain("delivery 2: deferral: later/\n");
  });

  test("hold and release during one attempt: each recipient is tried once more, in its turn", () => {
    const { world, id } = trying();
    ordered(world, "hold", id);
    expect(ordered(world, "release", id)).toEqual(["done"]);
    world.run(world.now + 90);
    expect(world.attempts.length).toBe(2);
    world.run(world.now + 400);
    expect(world.peak).toEqual([1, 1]);
    expect(world.attempts.length).toBeGreaterThan(3);
  });

  test("with one channel under way and the other waiting, each is handled by itself", () => {
    const world = new World({
      deliver: ({ channel }) =>
        channel === 0 ? { report: "Zlater\n", after: 1 } : { report: "Zno\n", after: 50 },
    });
    const id = world.submit("s@there.example", ["joe@here.example", "ann@there.example"]);
    world.run(world.now + 5);
    expect(ordered(world, "hold", id)).toEqual(["later"]);
    expect(ordered(world, "release", id)).toEqual(["done"]);
    expect(world.attempts.map(({ channel }) => channel)).toEqual([0, 1, 0]);
    expect(ordered(world, "retry", id)).toEqual(["later"]);
    world.run(world.now + 5);
    ordered(world, "retry", id);
    expect(world.attempts.map(({ channel }) => channel).filter((channel) => channel === 1).length).toBe(1);
    world.run(world.now + 60);
    expect(world.peak).toEqual([1, 1]);
  });

  test("retry: once more as soon as it is over", () => {
    const { world, id } = trying();
    expect(ordered(world, "retry", id)).toEqual(["later"]);
    world.run(world.now + 101);
    expect(world.attempts.length).toBe(4);
  });

  for (const [fate, report] of [
    ["deferred", "Zlater\n"],
    ["delivered", "Kok\n"],
    ["failed", "Dno\n"],
  ]) {
    test(`remove: gone after the attempt, ${fate}; nobody is told, and no other order changes that`, () => {
      const { world, id } = trying({ deliver: () => ({ report: report ?? "", after: 100 }) });
      expect(ordered(world, "remove", id)).toEqual(["later"]);
      expect(ordered(world, "hold", id)).toEqual(["over"]);
      expect(ordered(world, "remove", id)).toEqual(["later"]);
      world.run(world.now + 200);
      expect(left(world)).toEqual([]);
      expect(world.notices).toEqual([]);
      expect(world.attempts.length).toBe(2);
    });
  }

  test("bounce: what the attempt leaves undone", () => {
    const { world, id } = trying({
      deliver: ({ recipient }) => ({
        report: recipient.startsWith("joe") ? "Kok\n" : "Zlater\n",
        after: 100,
      }),
    });
    expect(ordered(world, "bounce", id)).toEqual(["later"]);
    world.run(world.now + 102);
    expect(world.notices[0]?.failures).toBe("<ann@there.example>:\nSorry.\n\n");
  });

  for (const report of ["Kok\n", "Dno\n"]) {
    test(`hold between the start of its last delivery and the end of its list; then ${report[0]}: it ends`, () => {
      const reports = ["Zlater\n", report];
      const world = new World({ deliver: () => ({ report: reports.shift() ?? "Kok\n", after: 1 }) });
      const id = world.submit("s@there.example", ["joe@here.example"]);
      world.run(world.now + 5);
      // One order a round, and a pass reads one record in it.
      give(world, "retry", [id]);
      const answer = give(world, "hold", [id]);
      world.run(world.now);
      expect(readPaper(world.disk, answer).outcomes.get(id)).toBe("later");
      world.run(world.now + 20);
      expect(world.log).toContain(`end msg ${id}\n`);
      expect(left(world)).toEqual([]);
    });
  }

  test("a message of thousands of recipients: no more of them are begun", () => {
    const world = new World({
      settings: { concurrency: [2, 2] },
      deliver: () => ({ report: "Kok\n", after: 10 }),
    });
    const many = Array.from({ length: 3000 }, (_, index) => `u${index}@here.example`);
    const id = world.submit("s@there.example", many);
    world.run(world.now + 25);
    const begun = world.attempts.length;
    expect(ordered(world, "hold", id)).toEqual(["later"]);
    world.run(world.now + 1000);
    expect(world.attempts.length).toBe(begun);
    expect(ordered(world, "release", id)).toEqual(["done"]);
    world.run(world.now + 20_000);
    expect(new Set(world.attempts.map(({ recipient }) => recipient)).size).toBe(3000);
    expect(world.attempts.length).toBe(3000);
    expect(left(world)).toEqual([]);
  });
});

describe("before the message is preprocessed", () => {
  for (const [verb, about] of [
    ["hold", "no attempt"],
    ["remove", "nothing left"],
    ["bounce", "a bounce"],
  ] as const) {
    test(`${verb}: ${about}`, () => {
      const world = new World({ cleanAfter: () => 50 });
      const id = world.submit("s@there.example", ["joe@here.example"]);
      world.run(world.now + 1);
      expect(world.disk.status(`todo/${id}`)).toBeDefined();
      expect(ordered(world, verb, id)).toEqual(["later"]);
      world.run(world.now + 400);
      expect(world.attempts.filter((attempt) => attempt.recipient === "joe@here.example")).toEqual([]);
      if (verb === "hold") expect(left(world)).toContain(`hold/${id}`);
      else expect(left(world)).toEqual([]);
      expect(world.notices.length).toBe(verb === "bounce" ? 1 : 0);
    });
  }

  test("an envelope that cannot be preprocessed can be removed", () => {
    const world = new World();
    const id = world.submit("s@there.example", ["joe@here.example"]);
    for (const directory of ["todo", "intd"]) world.disk.put(`${directory}/${id}`, "u1\0p2\0Xwhat\0");
    world.run(world.now + 5);
    expect(world.log).toContain("unknown record type");
    expect(ordered(world, "remove", id)).toEqual(["later"]);
    world.run(world.now + 5);
    world.start();
    world.run(world.now + 5);
    expect(left(world)).toEqual([]);
  });
});

/** What qmail-send changes on the disk. */
const changes = new Set([
  "remove",
  "rename",
  "touch",
  "create",
  "write",
  "replace",
  "finish",
  "barrier",
  "settle",
  "mark",
  "append",
]);

class Crash extends Error {}

/** Lets the world's process die at the nth change of the disk; returns whether it came so far. */
function crashAt(world: World, nth: number, live: () => void): boolean {
  let count = 0;
  world.disk.fails = (call) => {
    if (changes.has(call) && ++count === nth) throw new Crash();
  };
  try {
    live();
    return false;
  } catch (cause) {
    if (!(cause instanceof Crash)) throw cause;
    return true;
  } finally {
    world.disk.fails = () => {};
  }
}

describe("a crash between any two changes of the disk", () => {
  const expected: Readonly<Record<Verb, (world: World, id: bigint, attempts: readonly Attempt[]) => void>> = {
    hold: (world, id, attempts) => {
      expect(attempts).toEqual([]);
      expect(left(world)).toContain(`hold/${id}`);
    },
    release: (world, _, attempts) => {
      expect(attempts.length).toBeGreaterThan(1);
      expect(world.disk.names("hold")).toEqual([]);
    },
    retry: (_, __, attempts) => expect(attempts.length).toBeGreaterThan(1),
    remove: (world, _, attempts) => {
      expect(attempts).toEqual([]);
      expect(world.notices).toEqual([]);
    },
    bounce: (world, _, attempts) => {
      expect(attempts).toEqual([]);
      const told = world.notices.map(({ failures }) => failures).join("");
      for (const recipient of ["joe@here.example", "ann@there.example"])
        expect(told).toContain(`<${recipient}>:`);
    },
  };

  for (const verb of ["hold", "release", "retry", "remove", "bounce"] as const) {
    for (const busy of [false, true]) {
      test(`${verb}${busy ? " of a message that is being tried" : ""}: the next start completes it`, () => {
        for (let nth = 1; ; nth++) {
          const mine = ({ recipient }: { recipient: string }) => !recipient.startsWith("s@");
          const { world, id } = deferred({
            deliver: (attempt) => (mine(attempt) ? { ...later, after: 20 } : { report: "Kok\n", after: 1 }),
          });
          world.run(world.now + 30);
          if (verb === "release") ordered(world, "hold", id);
          if (busy) ordered(world, verb === "release" ? "hold" : "retry", id);
          give(world, verb, [id]);
          world.attempts.length = 0;
          const crashed = crashAt(world, nth, () => world.run(world.now + (busy ? 25 : 1)));
          if (crashed) {
            world.attempts.length = 0;
            world.start();
          }
          world.run(world.now + 60);
          expected[verb](world, id, world.attempts.filter(mine));
          // A message whose removal began is out of sight at once; its file is swept after 36 hours at the latest.
          if (verb === "remove") {
            world.run(world.now + 250_000);
            expect(left(world)).toEqual([]);
          }
          expect(world.disk.names("ask").filter((name) => !name.endsWith(".did"))).toEqual([]);
          if (!crashed) {
            expect(nth).toBeGreaterThan(2);
            return;
          }
        }
      });
    }
  }
});

describe("the disk fails for a while", () => {
  for (const [call, path, verb] of [
    ["replace", "hold/", "hold"],
    ["barrier", "hold/", "hold"],
    ["remove", "info/", "remove"],
    ["settle", "info/", "remove"],
    // It left todo long ago, but not durably.
    ["settle", "todo", "remove"],
    ["append", "bounce/", "bounce"],
    ["touch", "remote/", "retry"],
  ] as const) {
    test(`${call} ${path}: ${verb} says so, and the same order may be given again`, () => {
      const { world, id } = deferred();
      world.disk.fails = (failing, at) => {
        if (failing === call && at.startsWith(path)) throw failure("EIO");
      };
      expect(ordered(world, verb, id)).toEqual([{ failed: "input/output error" }]);
      world.disk.fails = () => {};
      // The message has become due meanwhile: an order that fails must not lose it.
      expect(["done", "same", "gone", "later"]).toContain(String(ordered(world, verb, id)[0]));
      world.run(world.now + 400);
      if (verb === "hold") expect(left(world)).toContain(`hold/${id}`);
      if (verb === "remove" || verb === "bounce")
        expect(left(world).filter((name) => name.endsWith(`/${id}`))).toEqual([]);
    });
  }

  /** From now on, calls of that kind on paths that begin so fail, so many times. */
  function failing(world: World, call: string, path: string, times: number): void {
    let count = times;
    world.disk.fails = (name, at) => {
      if (name === call && at.startsWith(path) && count-- > 0) throw failure("EIO");
    };
  }

  test("a held message that a start could not look at is tried by one at a time when it is released", () => {
    let after = 1;
    const { world, id } = deferred({ deliver: () => ({ ...later, after }) });
    after = 300;
    ordered(world, "hold", id);
    failing(world, "status", "local/", 1);
    world.start();
    expect(world.log).toContain("warning: unable to stat local/");
    world.attempts.length = 0;
    expect(ordered(world, "release", id)).toEqual(["done"]);
    world.run(world.now + 290);
    expect(world.attempts.length).toBe(2);
  });

  test("a message that is released and can not be looked at is tried later, by one at a time", () => {
    let after = 1;
    const { world, id } = deferred({ deliver: () => ({ ...later, after }) });
    after = 300;
    ordered(world, "hold", id);
    world.attempts.length = 0;
    let released = false;
    world.disk.fails = (call, path) => {
      released ||= call === "remove" && path === `hold/${id}`;
      if (released && call === "status" && /^(local|todo)\//.test(path)) throw failure("EIO");
    };
    expect(ordered(world, "release", id)).toEqual([{ failed: "input/output error" }]);
    expect(world.attempts).toEqual([]);
    world.disk.fails = () => {};
    world.run(world.now + 290);
    expect(world.attempts.length).toBe(2);
  });

  for (const [call, path] of [
    ["status", "todo/"],
    ["remove", "hold/"],
  ] as const) {
    test(`${call} ${path}: an end that was put off comes later all the same`, () => {
      const world = new World({ deliver: () => ({ ...later, after: 50 }) });
      const id = world.submit("s@there.example", ["joe@here.example"]);
      world.run(world.now + 1);
      expect(ordered(world, "bounce", id)).toEqual(["later"]);
      failing(world, call, path, 1);
      world.run(world.now + 60);
      expect(world.log).toContain(
        `warning: unable to end msg ${id}: input/output error; will try again later\n`,
      );
      world.run(world.now + 200);
      expect(world.notices.length).toBe(1);
      expect(world.log).toContain(`end msg ${id}\n`);
    });
  }

  test("what is held cannot be read: no message is tried before it can", () => {
    const { world, id } = deferred();
    ordered(world, "hold", id);
    world.attempts.length = 0;
    let broken = 5;
    world.disk.fails = (call, path) => {
      if (call === "names" && path === "hold" && broken-- > 0) throw failure("EIO");
    };
    world.start();
    world.run(world.now + 10);
    expect(world.log).toContain("alert: unable to read hold, sleeping...\n");
    expect(world.attempts).toEqual([]);
  });
});

test("thousands of held messages cost a number each, and others are served in as many turns", () => {
  const world = new World({ deliver: () => later });
  const ids = Array.from({ length: 1500 }, (_, index) =>
    world.submit("s@there.example", [`u${index}@here.example`]),
  );
  world.run(world.now + 2000);
  for (let first = 0; first < ids.length; first += 250)
    expect(new Set(ordered(world, "hold", ...ids.slice(first, first + 250)))).toEqual(new Set(["done"]));
  world.attempts.length = 0;
  world.run(world.now + 100_000);
  expect(world.attempts).toEqual([]);
  const turns = world.turns;
  world.submit("s@there.example", ["new@here.example"]);
  world.run(world.now + 5);
  expect(world.turns - turns).toBeLessThan(20);
  expect(world.attempts.map(({ recipient }) => recipient)).toEqual(["new@here.example"]);
});
