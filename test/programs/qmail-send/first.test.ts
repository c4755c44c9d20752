/** First attempts straight from todo: what each course of events writes, in simulated time, and what crashes leave. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { formatOrder, readPaper, type Verb } from "../../../src/core/queue/order-words.ts";
import { type Behaviour, failure, World } from "./simulation.ts";

setDefaultTimeout(900_000);

/** What each recipient's name says happens to it, after so many seconds. */
function fates(seconds: (recipient: string) => number = () => 1): NonNullable<Behaviour["deliver"]> {
  return ({ recipient }) => {
    const fate = recipient.split(/[-@]/)[0];
    const report =
      fate === "bad" ? "Dno\n" : fate === "later" ? "Znot now\n" : fate === "odd" ? "?" : "Kok\n";
    return { report, after: seconds(recipient) };
  };
}

/** A world whose qmail-clean has shown that it removes: from then on messages are tried straight from todo. */
function straightWorld(behaviour: Behaviour = {}): World {
  const world = new World({ deliver: fates(), ...behaviour });
  warm(world);
  return world;
}

function warm(world: World): void {
  world.submit("w@there.example", []);
  world.run(world.now + 200);
  world.log = "";
  world.cleaned.length = 0;
  world.attempts.length = 0;
  world.disk.barriers = 0;
}

/** All that was created below these directories from now on. */
function watchLists(world: World): string[] {
  const created: string[] = [];
  world.disk.fails = (call, path) => {
    if (call === "create") created.push(path);
  };
  return created;
}

const both = ["joe@here.example", "ann@there.example"];

test("all get it: no lists, no barrier, and it leaves by intd, todo, mess", () => {
  const world = straightWorld();
  const created = watchLists(world);
  const id = world.submit("s@there.example", both);
  world.run(world.now + 10);
  expect(created).toEqual([]);
  expect(world.disk.barriers).toBe(0);
  expect(world.cleaned).toEqual([`todo/${id}`, `foop/${id}`]);
  expect(world.left()).toEqual([]);
});

describe("the log is the same to the byte as of a message that was preprocessed first", () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["nobody", []],
    ["one", ["joe@here.example"]],
    ["both channels", both],
    ["channels in turn", ["a@here.example", "b@here.example", "c@here.example", "d@there.example"]],
    ["deferred", ["later@here.example"]],
    ["failed", ["bad@here.example"]],
    ["mangled", ["odd@there.example"]],
    ["mixed", ["joe@here.example", "bad@here.example", "later@there.example", "ann@there.example"]],
  ];
  for (const [about, recipients] of rows)
    test(about, () => {
      // One after the other: a failure keeps its slot until it can be written down.
      const deliver = fates((recipient) => 1 + "joebadlaterann".indexOf(recipient.split("@")[0] ?? "") / 3);
      const logOf = (world: World): string => {
        world.submit("s@here.example", recipients);
        world.run(world.now + 50);
        return world.log.replace(/^status: local 0\/10 remote 0\/20\n/, "");
      };
      const renumbered = (log: string): string => log.replace(/\b10[0-9]\b/g, (id) => `${Number(id) - 1}`);
      const straight = logOf(straightWorld({ deliver }));
      const classic = logOf(new World({ deliver }));
      expect(renumbered(straight)).toBe(classic);
    });
});

test("a message with one recipient who is not reached has its lists, by its birth, and goes on by the schedule", () => {
  const world = straightWorld({ deliver: fates(() => 2) });
  const birth = world.now;
  const id = world.submit("s@there.example", ["joe@here.example", "later@here.example"]);
  world.run(birth + 2);
  expect(world.disk.files.get(world.disk.path("local", id))?.text).toBe(
    "Djoe@here.example\0Tlater@here.example\0",
  );
  expect(world.disk.files.get(world.disk.path("info", id))?.text).toBe("Fs@there.example\0");
  expect(world.disk.status(world.disk.path("info", id))?.modified).toBe(birth);
  expect(world.disk.status(`todo/${id}`)).toBeUndefined();
  world.run(birth + 99);
  expect(world.attempts.length).toBe(2);
  world.run(birth + 100);
  expect(world.attempts.map(({ at, recipient }) => [at - birth, recipient]).at(-1)).toEqual([
    100,
    "later@here.example",
  ]);
});

test("ALRM after a deferral that the log has told of, before there are lists: tried again at once", () => {
  const world = straightWorld({ cleanAfter: () => 7, deliver: fates(() => 2) });
  const birth = world.now;
  const id = world.submit("s@there.example", ["joe@here.example", "later@here.example"]);
  world.run(birth + 3);
  expect(world.log).toContain(": deferral: ");
  expect(world.disk.files.has(`todo/${id}`)).toBe(true);
  world.manager.retryAll(world.now);
  world.run(birth + 20);
  expect(world.attempts.map(({ recipient }) => recipient)).toEqual([
    "joe@here.example",
    "later@here.example",
    "later@here.example",
  ]);
});

test("a failure is told to the sender only when nothing of the message is in todo any more", () => {
  const world = straightWorld({ cleanAfter: () => 7 });
  const id = world.submit("s@there.example", ["bad@here.example", "joe@here.example"]);
  const seen: boolean[] = [];
  world.disk.fails = (call) => {
    if (call === "append") seen.push(world.disk.files.has(`todo/${id}`));
  };
  world.run(world.now + 5);
  expect(world.disk.files.has(`todo/${id}`)).toBe(true);
  expect(world.disk.files.has(world.disk.path("info", id))).toBe(true);
  expect(world.log).toEndWith("status: local 1/10 remote 0/20\n");
  world.run(world.now + 100);
  expect(seen).toEqual([false]);
  expect(world.notices.map(({ failures }) => failures)).toEqual(["<bad@here.example>:\nno\n\n"]);
  expect(world.left()).toEqual([]);
});

test("what is delivered while the message leaves todo is marked, too", () => {
  const world = straightWorld({
    cleanAfter: () => 50,
    deliver: fates((recipient) => (recipient.startsWith("slow") ? 20 : 1)),
  });
  const id = world.submit("s@there.example", ["later@here.example", "slow@here.example"]);
  world.run(world.now + 25);
  expect(world.disk.files.has(`todo/${id}`)).toBe(true);
  expect(world.disk.files.get(world.disk.path("local", id))?.text).toBe(
    "Tlater@here.example\0Dslow@here.example\0",
  );
});

test("an attempt that takes long has its lists after some seconds, one that is half done after one", () => {
  const world = straightWorld({ deliver: fates((recipient) => (recipient.startsWith("slow") ? 1000 : 1)) });
  const long = world.submit("s@there.example", ["slow@here.example"]);
  const half = world.submit("s@there.example", ["joe@here.example", "slow@here.example"]);
  world.run(world.now + 2);
  expect(world.disk.files.get(world.disk.path("local", half))?.text).toBe(
    "Djoe@here.example\0Tslow@here.example\0",
  );
  expect(world.disk.files.has(`todo/${long}`)).toBe(true);
  world.run(world.now + 2);
  expect(world.disk.files.has(`todo/${long}`)).toBe(false);
  expect(world.disk.files.has(world.disk.path("info", long))).toBe(true);
  world.run(world.now + 1000);
  expect(world.attempts.length).toBe(3);
  expect(world.left()).toEqual([]);
});

test("many recipients, or more than there are slots, are preprocessed first", () => {
  const world = straightWorld({ settings: { concurrency: [2, 20] } });
  const created = watchLists(world);
  const names = (count: number, host: string) =>
    Array.from({ length: count }, (_, index) => `u${index}@${host}`);
  const many = world.submit("s@there.example", names(17, "there.example"));
  const wide = world.submit("s@there.example", names(3, "here.example"));
  world.run(world.now + 1);
  expect(created.filter((path) => path.startsWith("info/"))).toEqual([
    world.disk.path("info", many),
    world.disk.path("info", wide),
  ]);
  world.run(world.now + 50);
  expect(world.left()).toEqual([]);
});

describe("where slots are taken", () => {
  test("a burst waits for them, and is not preprocessed while they become free", () => {
    const world = straightWorld({ settings: { concurrency: [5, 5] } });
    const created = watchLists(world);
    for (let index = 0; index < 10; index++) world.submit("s@there.example", [`u${index}@here.example`]);
    world.run(world.now + 10);
    expect(created).toEqual([]);
    expect(world.peak).toEqual([5, 0]);
    expect(world.left()).toEqual([]);
  });

  test("what waits too long is preprocessed, and the other channel's mail passes", () => {
    const world = straightWorld({
      settings: { concurrency: [5, 5] },
      deliver: fates((recipient) => (recipient.endsWith("@there.example") ? 1000 : 1)),
    });
    for (let index = 0; index < 30; index++) world.submit("s@there.example", [`u${index}@there.example`]);
    const id = world.submit("s@there.example", ["joe@here.example"]);
    world.run(world.now + 2);
    expect(world.log).toContain(`end msg ${id}\n`);
    world.run(world.now + 2);
    expect(world.disk.list("todo")).toEqual([]);
  });

  test("new messages and a list of thousands get their turns", () => {
    const world = straightWorld({ settings: { concurrency: [4, 4] } });
    const many = Array.from({ length: 400 }, (_, index) => `u${index}@here.example`);
    world.submit("s@there.example", many);
    world.run(world.now + 5);
    const during = (): number => world.attempts.filter(({ recipient }) => recipient.startsWith("new")).length;
    for (let second = 0; second < 60; second++) {
      for (let index = 0; index < 2; index++) world.submit("s@there.example", ["new@here.example"]);
      world.run(world.now + 1);
    }
    const ofList = world.attempts.length - during();
    expect(during()).toBeGreaterThan(100);
    expect(ofList).toBeGreaterThan(100);
  });
});

test("a message that is found again while its batch is not yet preprocessed is taken once", () => {
  const world = straightWorld({ settings: { concurrency: [5, 5] } });
  const names = Array.from({ length: 17 }, (_, index) => `u${index}@here.example`);
  const submit = (count: number): void => {
    for (let index = 0; index < count; index++)
      world.submit("s@there.example", index % 2 ? names : ["a@here.example"]);
  };
  submit(70);
  // The trigger is pulled while the names that were read are not all worked off.
  const { list } = world.disk;
  let pulls = 3;
  world.disk.list = (directory, folder) => {
    const found = list.call(world.disk, directory, folder);
    if (directory === "todo" && pulls-- > 0) world.manager.triggered();
    return found;
  };
  world.run(world.now + 1000);
  expect(world.attempts.length).toBe(35 * 17 + 35);
  expect(world.log).not.toContain("warning");
  expect(world.left()).toEqual([]);
});

test("a message that has waited too long for a slot, and is found again at that moment, is taken once", () => {
  const world = straightWorld({ settings: { concurrency: [1, 1] }, deliver: fates(() => 4) });
  for (const name of ["a", "b"]) world.submit("s@there.example", [`${name}@here.example`]);
  world.after(2, () => world.manager.triggered());
  world.run(world.now + 100);
  expect(world.log).not.toContain("warning");
  expect(world.attempts.map(({ recipient }) => recipient)).toEqual(["a@here.example", "b@here.example"]);
  expect(world.left()).toEqual([]);
});

describe("TERM while first attempts are under way", () => {
  for (const [about, recipients, remains] of [
    ["all get it", both, []],
    ["one is deferred", ["joe@here.example", "later@there.example"], ["info", "local", "mess", "remote"]],
  ] as const)
    test(about, () => {
      const world = straightWorld({ deliver: fates(() => 50) });
      const id = world.submit("s@there.example", recipients);
      world.run(world.now + 1);
      world.manager.stop();
      expect(world.run(world.now + 10)).toBe(false);
      expect(world.run(world.now + 100)).toBe(true);
      const there = world.left().map((path) => path.split("/")[0] ?? "");
      // The list of a channel that is done went with its last delivery.
      expect(there).toEqual(remains.filter((directory) => directory !== "local"));
      world.attempts.length = 0;
      world.start();
      world.run(world.now + 1000);
      expect(
        world.attempts.filter((attempt) => attempt.id === id && attempt.recipient === "joe@here.example"),
      ).toEqual([]);
    });
});

test("a spawner is lost: what the other delivered is not delivered again", () => {
  const world = straightWorld({ deliver: fates((recipient) => (recipient.startsWith("joe") ? 1 : 50)) });
  world.submit("s@there.example", both);
  world.run(world.now);
  world.manager.spawnerLost(1);
  expect(world.run(world.now + 100)).toBe(true);
  world.attempts.length = 0;
  world.start();
  world.run(world.now + 100);
  expect(world.attempts.map(({ recipient }) => recipient)).toEqual(["ann@there.example"]);
  expect(world.left()).toEqual([]);
});

describe("qmail-clean", () => {
  /** Lets it answer `!` for a while. */
  function refusing(recipients: readonly string[]) {
    const world = straightWorld();
    const id = world.submit("s@there.example", recipients);
    world.refuses = true;
    world.run(world.now + 5);
    return { world, id };
  }

  for (const recipients of [["joe@here.example"], ["joe@here.example", "later@here.example"]])
    test(`refuses to remove from todo: nobody gets ${recipients} twice, and it goes on later`, () => {
      const { world, id } = refusing(recipients);
      expect(world.log).toContain(`warning: qmail-clean unable to clean up todo/${id}\n`);
      world.manager.triggered();
      world.run(world.now + 50);
      world.refuses = false;
      world.run(world.now + 130);
      expect(world.disk.files.has(`todo/${id}`)).toBe(false);
      expect(world.attempts.filter(({ recipient }) => recipient === "joe@here.example").length).toBe(1);
      expect(world.log.match(/end msg/g)?.length ?? 0).toBe(recipients.length === 1 ? 1 : 0);
    });

  test("refuses, and TERM: it ends, and the next start has the message", () => {
    const { world, id } = refusing(["joe@here.example"]);
    world.manager.stop();
    expect(world.run(world.now + 5)).toBe(true);
    expect(world.left()).toContain(`todo/${id}`);
  });

  test("that did not remove the last message gets no more to do: messages are preprocessed before they are tried", () => {
    const { world } = refusing(["joe@here.example"]);
    world.attempts.length = 0;
    world.submit("s@there.example", ["ann@here.example"]);
    world.run(world.now + 5);
    expect(world.attempts).toEqual([]);
  });

  test("is lost: qmail-send ends", () => {
    const world = straightWorld({ cleanAfter: () => 1000 });
    world.submit("s@there.example", ["joe@here.example"]);
    world.submit("s@there.example", ["bad@here.example"]);
    world.run(world.now + 5);
    world.manager.cleanerLost();
    expect(world.run(world.now + 5)).toBe(true);
    expect(world.log.match(/alert/g)?.length).toBe(1);
    world.start();
    world.run(world.now + 2000);
    expect(world.notices.length).toBe(1);
  });
});

describe("the disk fails when lists are written", () => {
  for (const [call, path] of [
    ["create", "info/"],
    ["create", "local/"],
    ["write", "local/"],
    ["touch", "info/"],
    ["barrier", "info/"],
  ] as const)
    test(`${call} ${path}: who got it does not get it again, who failed is told`, () => {
      const world = straightWorld({ deliver: fates(() => 2) });
      world.submit("s@there.example", ["joe@here.example", "bad@here.example", "later@here.example"]);
      world.run(world.now);
      let broken = 0;
      world.disk.fails = (what, at) => {
        if (what !== call || !at.startsWith(path)) return;
        broken++;
        throw failure("ENOSPC");
      };
      world.run(world.now + 60);
      expect(broken).toBeGreaterThan(1);
      expect(world.log).toMatch(/warning: (trouble|unable)/);
      world.disk.fails = () => {};
      world.run(world.now + 200);
      expect(world.attempts.filter(({ recipient }) => !recipient.startsWith("later")).length).toBe(2);
      expect(world.attempts.filter(({ recipient }) => recipient.startsWith("later")).length).toBeGreaterThan(
        1,
      );
      world.run(world.now + 1_000_000);
      expect(world.notices[0]?.failures).toContain("<bad@here.example>:\nno\n");
      expect(world.left()).toEqual([]);
    });

  test("what then gets delivered after all leaves nothing behind", () => {
    const world = straightWorld({ deliver: fates(() => 20) });
    world.submit("s@there.example", ["joe@here.example"]);
    world.disk.fails = (what) => {
      if (what === "barrier") throw failure("ENOSPC");
    };
    world.run(world.now + 15);
    expect(world.left().some((path) => path.startsWith("info/"))).toBe(true);
    world.run(world.now + 50);
    expect(world.left()).toEqual([]);
  });

  test("TERM: with something to tell it does not end before it is written down, without it does", () => {
    for (const [recipient, ends] of [
      ["later@here.example", true],
      ["bad@here.example", false],
    ] as const) {
      const world = straightWorld();
      world.submit("s@there.example", [recipient]);
      world.disk.fails = (what) => {
        if (what === "create") throw failure("ENOSPC");
      };
      world.run(world.now + 5);
      world.manager.stop();
      expect(world.run(world.now + 100)).toBe(ends);
      world.disk.fails = () => {};
      expect(world.run(world.now + 100)).toBe(true);
    }
  });
});

describe("orders for a message that is being tried", () => {
  let orders = 0;
  function order(world: World, verb: Verb, id: bigint): string {
    const name = `ask/${String(++orders).padStart(8, "0")}`;
    const targets = [{ id, identity: world.disk.identity(id) ?? "0" }];
    world.disk.put(`${name}.ask`, formatOrder({ verb, text: "Sorry.\n", targets }));
    world.manager.triggered();
    world.run(world.now);
    const answer = String(readPaper(world.disk, `${name}.did`).outcomes.get(id));
    world.disk.remove(`${name}.did`);
    return answer;
  }

  function trying(...recipients: string[]) {
    const world = straightWorld({ deliver: fates(() => 2) });
    const id = world.submit("s@there.example", recipients);
    world.run(world.now + 1);
    expect(world.disk.files.has(`todo/${id}`)).toBe(true);
    expect(world.disk.files.has(world.disk.path("info", id))).toBe(false);
    return { world, id };
  }

  test("hold: it is in force after the attempt; release: it goes on", () => {
    const { world, id } = trying("later@here.example");
    expect(order(world, "hold", id)).toBe("later");
    world.run(world.now + 100_000);
    expect(world.attempts.length).toBe(1);
    expect(world.disk.files.has(world.disk.path("local", id))).toBe(true);
    expect(order(world, "release", id)).toBe("done");
    expect(world.attempts.length).toBe(2);
  });

  test("hold of one that is delivered: nothing is left", () => {
    const { world, id } = trying("joe@here.example");
    expect(order(world, "hold", id)).toBe("later");
    world.run(world.now + 10);
    expect(world.left()).toEqual([]);
  });

  test("retry: once more as soon as the attempt is over", () => {
    const { world, id } = trying("later@here.example");
    expect(order(world, "retry", id)).toBe("later");
    world.run(world.now + 2);
    expect(world.attempts.length).toBe(2);
  });

  for (const recipient of ["later", "bad", "joe"])
    test(`remove of ${recipient}: gone after the attempt, and nobody is told`, () => {
      const { world, id } = trying(`${recipient}@here.example`);
      expect(order(world, "remove", id)).toBe("later");
      world.run(world.now + 10);
      expect(world.left()).toEqual([]);
      expect(world.notices).toEqual([]);
      expect(world.attempts.length).toBe(1);
    });

  test("bounce: what the attempt leaves undone", () => {
    const { world, id } = trying("joe@here.example", "later@there.example");
    expect(order(world, "bounce", id)).toBe("later");
    world.run(world.now + 10);
    expect(world.notices.map(({ failures }) => failures)).toEqual(["<later@there.example>:\nSorry.\n\n"]);
    expect(world.left()).toEqual([]);
  });
});

describe("what an earlier message of the same number left is removed before anybody is tried", () => {
  for (const directory of ["local", "remote", "bounce"] as const)
    test(directory, () => {
      const world = new World({ deliver: fates() });
      const path = world.disk.path(directory, 101n);
      world.disk.put(path, "Tother@here.example\0");
      world.start();
      warm(world);
      expect(world.submit("s@there.example", ["joe@here.example"])).toBe(101n);
      world.disk.fails = (call, at) => {
        if (call === "remove" && at === path) throw failure("EIO");
      };
      world.run(world.now);
      expect(world.log).toBe(`warning: unable to unlink ${path}\n`);
      expect(world.attempts).toEqual([]);
      world.disk.fails = () => {};
      world.manager.triggered();
      world.run(world.now);
      expect(world.disk.files.has(path)).toBe(false);
      expect(world.attempts.map(({ recipient }) => recipient)).toEqual(["joe@here.example"]);
    });
});

/** What qmail-send and qmail-clean change on the disk. */
const changes = new Set([
  "remove",
  "touch",
  "create",
  "write",
  "barrier",
  "mark",
  "append",
  "settle",
  "clean",
]);

class Crash extends Error {}

describe("a crash at any change of the disk, and before and after any report", () => {
  const rows: readonly (readonly string[])[] = [
    ["joe@here.example"],
    both,
    ["later@here.example"],
    ["bad@here.example"],
    ["joe@here.example", "bad@there.example"],
    ["joe@here.example", "later@here.example", "bad@here.example", "slow@there.example"],
  ];
  for (const recipients of rows)
    test(recipients.join(" "), () => {
      let crashes = 0;
      for (let nth = 1; ; nth++) {
        const world = straightWorld({
          cleanAfter: () => 1,
          deliver: fates((recipient) => (recipient.startsWith("slow") ? 8 : 2)),
        });
        const id = world.submit("s@there.example", recipients);
        let count = 0;
        world.disk.fails = (call) => {
          if (changes.has(call) && ++count === nth) throw new Crash();
        };
        const crashed = didCrash(() => world.run(world.now + 20));
        world.disk.fails = () => {};
        const known = knownToDisk(world, id);
        const before = world.attempts.filter(({ id: of }) => of === id);
        if (crashed) world.start();
        expect(isUnderstood(world, id)).toBe(true);
        world.run(world.now + 1_000_000);
        const told = world.notices.map(({ failures }) => failures).join("");
        for (const recipient of recipients) {
          const successes = world.attempts.filter(
            (attempt) => attempt.recipient === recipient && attempt.report === "Kok\n",
          );
          const fate = recipient.split("@")[0];
          if (fate !== "bad" && fate !== "later") {
            expect(successes.length).toBeGreaterThan(0);
            // Twice only where the crash came between the delivery and its mark.
            const mayRepeat = crashed && before.length > 0 && !known.has(recipient);
            expect(successes.length).toBeLessThanOrEqual(mayRepeat ? 2 : 1);
          } else {
            expect(told).toContain(`<${recipient}>:`);
          }
        }
        world.run(world.now + 300_000);
        expect(world.left()).toEqual([]);
        if (!crashed) break;
        crashes++;
      }
      expect(crashes).toBeGreaterThan(1);
    });

  function didCrash(live: () => void): boolean {
    try {
      live();
      return false;
    } catch (cause) {
      if (!(cause instanceof Crash)) throw cause;
      return true;
    }
  }

  /** Recipients of whom the queue says that they are done. */
  function knownToDisk(world: World, id: bigint): Set<string> {
    if (world.disk.files.has(`todo/${id}`)) return new Set();
    const known = new Set<string>(["joe@here.example", "ann@there.example", "slow@there.example"]);
    for (const directory of ["local", "remote"])
      for (const record of world.disk.files.get(world.disk.path(directory, id))?.text.split("\0") ?? [])
        if (record.startsWith("T")) known.delete(record.slice(1));
    return known;
  }

  /** Whether the files of a message are a state of INTERNALS (section 2), or those of no message. */
  function isUnderstood({ disk }: World, id: bigint): boolean {
    const has = (directory: string): boolean => disk.files.has(disk.path(directory, id));
    if (!has("mess")) return !["intd", "todo", "info", "local", "remote", "bounce"].some(has);
    if (has("todo")) return !has("bounce");
    if (has("info")) return !has("intd");
    return !["local", "remote", "bounce"].some(has);
  }
});
