/** The queue manager in simulated time. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { nextAttempt } from "../../../src/programs/qmail-send/channel.ts";
import { failure, World } from "./simulation.ts";

const week = 604800;

test("a message to both channels is delivered, logged and gone", () => {
  const world = new World();
  const id = world.submit("s@there.example", ["joe@here.example", "ann@there.example"]);
  world.run(world.now + 10);
  expect(world.left()).toEqual([]);
  expect(world.log).toBe(
    `status: local 0/10 remote 0/20\nnew msg ${id}\ninfo msg ${id}: bytes 14 from <s@there.example> qp 2 uid 1\n` +
      `starting delivery 1: msg ${id} to local joe@here.example\nstatus: local 1/10 remote 0/20\n` +
      `starting delivery 2: msg ${id} to remote ann@there.example\nstatus: local 1/10 remote 1/20\n` +
      "delivery 1: success: ok/\nstatus: local 0/10 remote 1/20\n" +
      `delivery 2: success: ok/\nstatus: local 0/10 remote 0/20\nend msg ${id}\n`,
  );
});

for (const [channel, host] of [
  [0, "here.example"],
  [1, "there.example"],
] as const) {
  test(`a message that is always deferred on channel ${channel} is tried by the quadratic schedule, then bounces`, () => {
    const world = new World({ deliver: () => ({ report: "Zlater\n", after: 1 }) });
    const birth = world.now;
    world.submit("s@here.example", [`joe@${host}`]);
    world.run(birth + 2 * week);
    const own = world.attempts.filter((attempt) => attempt.recipient === `joe@${host}`);
    const times = own.map((attempt) => attempt.at - birth);
    for (let index = 1; index < times.length; index++)
      expect(times[index]).toBe(nextAttempt(0, times[index - 1] ?? 0, channel));
    expect(times.findIndex((time) => time > week)).toBe(times.length - 1);
    expect(world.notices[0]?.failures).toContain("has been in the queue too long");
    expect(world.notices[0]?.notice.recipient).toBe("s@here.example");
  });
}

test("bounces of bounces end: single, double, discarded", () => {
  const world = new World({ deliver: () => ({ report: "Dno\n", after: 1 }) });
  world.submit("s@here.example", ["x@here.example"]);
  world.run(world.now + 1000);
  expect(world.notices.map(({ notice }) => `${notice.sender} ${notice.recipient}`)).toEqual([
    " s@here.example",
    "#@[] postmaster@here.example",
  ]);
  expect(world.log).toMatch(/triple bounce: discarding bounce\/\d+\nend msg/);
  expect(world.left()).toEqual([]);
});

test("concurrency limits hold, and lists are not held in memory or read again", () => {
  const many = Array.from({ length: 3000 }, (_, index) => `u${index}@here.example`);
  let reads = 0;
  const world = new World({ settings: { concurrency: [7, 3] }, deliver: () => ({ report: "K", after: 2 }) });
  world.disk.fails = (call, path) => {
    if (call === "read" && path.startsWith("local/")) reads++;
  };
  world.submit("s@there.example", [...many, "r1@a.example", "r2@a.example", "r3@a.example", "r4@a.example"]);
  world.run(world.now + 3000);
  expect(world.peak).toEqual([7, 3]);
  expect(world.attempts.length).toBe(3004);
  expect(reads).toBe(3001);
  expect(world.left()).toEqual([]);
});

test("a burst shares barriers, and each message's lines stand together", () => {
  const world = new World();
  for (let index = 0; index < 100; index++) world.submit("s@x.example", [`u${index}@here.example`]);
  world.run(world.now + 100);
  expect(world.disk.barriers).toBe(2);
  expect(world.left()).toEqual([]);
  const pairs = world.log.match(/^new msg (\d+)\ninfo msg \1: /gm);
  expect(pairs?.length).toBe(100);
  expect(world.log.indexOf("starting delivery 1:")).toBeLessThan(world.log.indexOf("new msg 101"));
});

test("TERM: what is under way is waited for, nothing new begins, and the next attempts are kept on disk", () => {
  const world = new World({ deliver: () => ({ report: "Zlater", after: 50 }) });
  const birth = world.now;
  const id = world.submit("s@x.example", ["joe@here.example"]);
  world.run(birth + 10);
  world.manager.stop();
  world.submit("s@x.example", ["late@here.example"]);
  expect(world.run(birth + 20)).toBe(false);
  expect(world.run(birth + 100)).toBe(true);
  expect(world.log).toEndWith("status: local 0/10 remote 0/20 exitasap\nstatus: exiting\n");
  expect(world.attempts.length).toBe(1);
  expect(world.disk.status(world.disk.path("local", id))?.modified).toBe(birth + 100);
  world.start();
  world.run(birth + 99);
  expect(world.attempts.filter(({ recipient }) => recipient === "joe@here.example").length).toBe(1);
  world.run(birth + 120);
  expect(world.attempts.filter(({ recipient }) => recipient === "joe@here.example").length).toBe(2);
});

test("ALRM: everything is tried again at once", () => {
  const world = new World({ deliver: () => ({ report: "Zlater", after: 1 }) });
  for (let index = 0; index < 50; index++) world.submit("s@x.example", [`u${index}@there.example`]);
  world.run(world.now + 20);
  expect(world.attempts.length).toBe(50);
  world.manager.retryAll(world.now);
  world.run(world.now + 20);
  expect(world.attempts.length).toBe(100);
});

describe("a partner dies", () => {
  test("a spawner: the other channel is waited for", () => {
    const world = new World({ deliver: () => ({ report: "K", after: 30 }) });
    world.submit("s@x.example", ["joe@here.example", "r@there.example"]);
    world.run(world.now + 5);
    world.manager.spawnerLost(1);
    expect(world.run(world.now + 5)).toBe(false);
    expect(world.run(world.now + 50)).toBe(true);
    expect(world.log).toContain("alert: oh no! lost spawn connection! dying...\n");
    world.start();
    world.run(world.now + 100);
    expect(world.left()).toEqual([]);
  });

  test("qmail-clean while it is idle: noticed at the next request", () => {
    const world = new World();
    world.run(world.now + 5);
    world.manager.cleanerLost();
    world.run(world.now + 5);
    expect(world.log).not.toContain("alert");
    const id = world.submit("s@x.example", ["joe@here.example"]);
    expect(world.run(world.now + 5)).toBe(true);
    expect(world.log).toMatch(
      /info msg [^\n]*\nalert: oh no! lost qmail-clean connection! dying...\nstatus: exiting\n/,
    );
    world.start();
    world.run(world.now + 5);
    expect(world.attempts.map((attempt) => attempt.id)).toEqual([id]);
  });

  test("qmail-clean with requests under way", () => {
    const world = new World({ cleanAfter: () => 1000 });
    world.submit("s@x.example", ["joe@here.example"]);
    world.submit("s@x.example", ["joe@here.example"]);
    world.run(world.now + 5);
    world.manager.cleanerLost();
    expect(world.run(world.now + 5)).toBe(true);
    expect(world.log.match(/alert/g)?.length).toBe(1);
  });
});

describe("reports", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["K with text", "Kdone\n", "delivery 1: success: done/\n"],
    ["nothing", "", "delivery 1: report mangled, will defer\n"],
    ["an unknown letter", "Xno", "delivery 1: report mangled, will defer\n"],
    ["too long", `K${"x".repeat(20000)}`, `delivery 1: success: ${"x".repeat(9998)}\n`],
  ];
  for (const [about, report, line] of rows)
    test(about, () => {
      const world = new World({ deliver: () => ({ report, after: 1 }) });
      world.submit("s@x.example", ["joe@here.example"]);
      world.run(world.now + 5);
      expect(world.log).toContain(line);
    });

  test("for a number that is out of range or unused", () => {
    const world = new World();
    world.manager.reported(0, Buffer.from("\x05Kok\0\xc8Kok\0", "latin1"), world.now);
    expect(world.log.match(/warning: internal error: delivery report out of range\n/g)?.length).toBe(2);
  });

  test("in single bytes, for slot 0", () => {
    const world = new World({ deliver: () => ({ report: "K", after: 5000 }) });
    world.submit("s@x.example", ["joe@here.example"]);
    world.run(world.now + 5);
    for (const byte of "\0Kfine\0") world.manager.reported(0, Buffer.from(byte, "latin1"), world.now);
    expect(world.log).toContain("delivery 1: success: fine\n");
  });
});

describe("the disk fails for a while", () => {
  /** Whatever fails, it says this, and in the end the mail is there. */
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ["open", "todo/", /warning: unable to open todo\/\d+\n/],
    ["status", "mess/", /warning: unable to stat mess\/\d+\/\d+\n/],
    ["create", "info/", /warning: unable to create info\/\d+\/\d+\n/],
    ["create", "local/", /new msg \d+\n(info[^\n]*\n)warning: unable to create local\/\d+\/\d+\n/],
    ["read", "todo/", /new msg \d+\nwarning: trouble reading todo\/\d+\n/],
    ["write", "info/", /new msg \d+\ninfo msg[^\n]*\nwarning: trouble writing to info\/\d+\/\d+\n/],
    ["write", "local/", /warning: trouble writing to local\/\d+\/\d+\n/],
    ["barrier", "info/", /warning: trouble fsyncing info\/\d+\/\d+\n/],
    ["list", "todo", /alert: unable to opendir todo, sleeping...\n/],
    ["open", "local/", /warning: trouble opening local\/\d+\/\d+; will try again later\n/],
    ["open", "info/", /warning: trouble opening local\/\d+\/\d+; will try again later\n/],
    ["read", "local/", /warning: trouble reading local\/\d+\/\d+; will try again later\n/],
    ["mark", "local/", /warning: trouble marking local\/\d+\/\d+; message will be delivered twice!\n/],
    ["remove", "local/", /warning: unable to unlink local\/\d+\/\d+; will try again later\n/],
    ["remove", "info/", /warning: unable to unlink info\/\d+\/\d+; will try again later\n/],
    ["append", "bounce/", /alert: unable to append to bounce message; HELP! sleeping...\n/],
    ["remove", "bounce/", /warning: unable to unlink bounce\/\d+\n/],
    ["status", "remote/", /warning: unable to stat remote\/\d+\/\d+\n/],
  ];
  for (const [call, prefix, said] of rows)
    test(`${call} ${prefix}`, () => {
      const world = new World({
        deliver: ({ recipient }) => ({ report: recipient.startsWith("bad") ? "Dno" : "K", after: 1 }),
      });
      let broken = true;
      world.disk.fails = (what, path) => {
        if (broken && what === call && path.startsWith(prefix)) throw failure("EIO");
      };
      world.submit("s@here.example", ["joe@here.example", "bad@here.example"]);
      world.run(world.now + 30);
      broken = false;
      world.run(world.now + 4 * 1500);
      expect(world.log).toMatch(said);
      expect(world.attempts.some(({ recipient }) => recipient === "joe@here.example")).toBe(true);
      expect(world.notices.length).toBeGreaterThan(0);
      expect(world.left()).toEqual([]);
    });

  test("a failure that cannot be written down keeps qmail-send from ending", () => {
    const world = new World({ deliver: () => ({ report: "Dno", after: 1 }) });
    world.disk.fails = (call) => {
      if (call === "append") throw failure("ENOSPC");
    };
    world.submit("s@here.example", ["bad@here.example"]);
    world.run(world.now + 5);
    world.manager.stop();
    expect(world.run(world.now + 100)).toBe(false);
    world.disk.fails = () => {};
    expect(world.run(world.now + 100)).toBe(true);
    expect(world.log).toContain("end msg");
  });
});

describe("what crashes leave", () => {
  const states: readonly (readonly [string, (world: World) => void, boolean])[] = [
    ["S2, S3: never queued, young", (world) => stage(world, "mess", "intd"), false],
    [
      "S4 with half-written info and local",
      (world) => stage(world, "mess", "intd", "todo", "info", "local"),
      true,
    ],
    ["S5 done, not ended", (world) => stage(world, "mess", "info"), true],
    ["S5 with recipients", (world) => stage(world, "mess", "info", "local"), true],
    ["S5 done, and no sender", (world) => stageWithoutSender(world, "mess"), false],
    ["S5 with recipients, and no sender", (world) => stageWithoutSender(world, "mess", "local"), false],
    [
      "S5 done with failures, and no sender",
      (world) => {
        stageWithoutSender(world, "mess");
        world.disk.put(world.disk.path("bounce", id), "<joe@here.example>:\nno\n\n");
      },
      false,
    ],
  ];
  const id = 55n;
  function stage(world: World, ...directories: ("mess" | "intd" | "todo" | "info" | "local")[]): void {
    const texts = { mess: "x\n", intd: "Fs@a\0Tjoe@here.example\0", todo: "Fs@a\0Tjoe@here.example\0" };
    const rest = { info: "Fs@a\0", local: "Tjoe@here.example\0" };
    for (const directory of directories)
      world.disk.put(world.disk.path(directory, id), { ...texts, ...rest }[directory]);
  }
  function stageWithoutSender(world: World, ...others: ("mess" | "local")[]): void {
    stage(world, ...others);
    world.disk.put(world.disk.path("info", id), "");
  }
  for (const [about, make, ends] of states)
    test(about, () => {
      const world = new World();
      make(world);
      world.start();
      world.run(world.now + 2000);
      expect(world.left().length === 0).toBe(ends);
    });

  test("orphans older than 36 hours are removed, within a day", () => {
    const world = new World();
    stage(world, "mess", "intd");
    const path = world.disk.path("mess", id);
    world.disk.touch(path, world.now);
    world.run(world.now + 129600);
    expect(world.left()).toContain(path);
    world.run(world.now + 86400);
    expect(world.left()).toEqual([]);
  });

  test("a message that is just being removed is not removed once more by the cleanup", () => {
    const requests: string[] = [];
    const world = new World({ cleanAfter: () => 100 });
    stage(world, "mess", "info");
    world.disk.touch(world.disk.path("mess", id), world.now - 200000);
    const remove = world.disk.files.delete.bind(world.disk.files);
    world.disk.files.delete = (path: string) => {
      if (path.startsWith("mess/")) requests.push(path);
      return remove(path);
    };
    world.start();
    world.run(world.now + 1000);
    expect(requests.length).toBe(1);
  });

  test("records that make no sense do not stop other mail", () => {
    const world = new World();
    world.disk.put("mess/9/9", "x");
    world.disk.put("todo/9", "Fs@a\0Xwhat\0");
    world.disk.put("info/10/10", "Fs@a\0");
    world.disk.put("local/10/10", "Tjoe@here.example\0?odd\0");
    world.disk.put("mess/10/10", "x");
    world.start();
    world.submit("s@a", ["ann@here.example"]);
    world.run(world.now + 5);
    expect(world.log).toContain("warning: unknown record type in todo/9\n");
    expect(world.log).toContain("warning: unknown record type in local/10/10!\n");
    expect(world.attempts.map(({ recipient }) => recipient).sort()).toEqual([
      "ann@here.example",
      "joe@here.example",
    ]);
    expect(world.left()).toContain("todo/9");
  });
});

/** A recipient's fate is drawn from its name, so that a failed run can be read. */
const fates = fc.array(fc.constantFrom("ok", "bad", "slow", "never"), { minLength: 1, maxLength: 5 });
const message = fc.record({
  at: fc.integer({ min: 0, max: 3 * week }),
  sender: fc.constantFrom("s@here.example", "", "list-@there.example-@[]", "bad@here.example"),
  fates,
});

/** More in a long run: FUZZ_RUNS. */
const runs = Number(process.env.FUZZ_RUNS ?? 25);

/** One message is removed, which fails, while another leaves todo. */
const twoRemovals = {
  messages: [
    { at: 1412562, sender: "s@here.example", fates: ["bad", "ok", "ok", "slow"] },
    { at: 1425472, sender: "s@here.example", fates: ["ok"] },
  ],
  crashes: [1447364, 1],
  chance: 2,
  seed: 1528284543,
};

test("through random deliveries, failures of the disk and restarts, nothing is lost", () => {
  const run = fc.record({
    messages: fc.array(message, { minLength: 1, maxLength: 8 }),
    crashes: fc.array(fc.integer({ min: 1, max: 3 * week }), { maxLength: 6 }),
    chance: fc.integer({ min: 0, max: 5 }),
    seed: fc.integer({ min: 1, max: 2 ** 31 }),
  });
  fc.assert(
    fc.property(run, ({ messages, crashes, chance, seed }) => {
      let state = seed;
      const random = (below: number): number => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 8) % below;
      };
      const world = new World({
        deliver: ({ recipient, at }) => {
          const fate = recipient.split(/[-@]/)[0];
          const late = fate === "slow" && at % 3 > 0;
          const report = fate === "bad" ? "Dno" : fate === "never" || late ? "Znot now" : "Kfine";
          return { report, after: random(900) };
        },
        cleanAfter: () => random(3),
        injectAfter: () => ({ result: random(4) === 0 ? "refused" : "queued", after: random(5) }),
      });
      const begin = world.now;
      world.disk.fails = (call) => {
        // What fails in "status" while a message is enrolled is tried again; all calls may fail.
        if (chance > 0 && world.now < begin + 4 * week && call !== "list" && random(200) < chance)
          throw failure("EIO");
      };
      const plan = [
        ...messages.map((one) => ({ at: one.at, one })),
        ...crashes.map((at) => ({ at, one: undefined })),
      ].sort((left, right) => left.at - right.at);
      const sent: { sender: string; recipients: string[] }[] = [];
      for (const { at, one } of plan) {
        world.run(begin + at);
        if (one === undefined) {
          world.start();
        } else {
          const recipients = one.fates.map(
            (fate, index) => `${fate}-${sent.length}-${index}@${index % 2 ? "here" : "there"}.example`,
          );
          world.submit(one.sender, recipients);
          sent.push({ sender: one.sender, recipients });
        }
      }
      world.run(begin + 12 * week);
      const reached = new Set(
        world.attempts.filter(({ report }) => report.startsWith("K")).map(({ recipient }) => recipient),
      );
      const told = world.notices.map(({ failures }) => failures).join("");
      for (const { recipients } of sent)
        for (const recipient of recipients)
          expect(reached.has(recipient) || told.includes(`<${recipient}>:\n`)).toBe(true);
      expect(world.left()).toEqual([]);
    }),
    { numRuns: runs, examples: [[twoRemovals]] },
  );
}, 900_000);

test("without failures every recipient gets the message exactly once", () => {
  fc.assert(
    fc.property(fc.array(fates, { minLength: 1, maxLength: 40 }), (lists) => {
      const world = new World();
      const all = lists.flatMap((list, message) => {
        const recipients = list.map(
          (_, index) => `u${message}-${index}@${index % 2 ? "here" : "there"}.example`,
        );
        world.submit("s@here.example", recipients);
        return recipients;
      });
      world.run(world.now + 200);
      expect(world.attempts.map(({ recipient }) => recipient).sort()).toEqual(all.sort());
    }),
    { numRuns: 40 },
  );
});

test("work does not grow with what waits: a message is served in as many turns with 5 as with 5000 others", () => {
  const turns = (waiting: number): number => {
    const world = new World({
      deliver: ({ recipient }) => ({ report: recipient.startsWith("z") ? "Zx" : "K", after: 1 }),
    });
    for (let index = 0; index < waiting; index++) {
      const id = BigInt(10000 + index);
      world.disk.put(world.disk.path("info", id), "Fs@a\0", world.now - 1000);
      world.disk.put(world.disk.path("local", id), "Tz@here.example\0", world.now + 5000);
    }
    world.disk.list = (directory, folder) =>
      directory === "mess" ? [] : Object.getPrototypeOf(world.disk).list.call(world.disk, directory, folder);
    world.start();
    world.run(world.now + 10);
    let calls = 0;
    world.disk.fails = () => {
      calls++;
    };
    world.submit("s@a", ["joe@here.example"]);
    world.run(world.now + 10);
    return calls;
  };
  expect(turns(5000)).toBe(turns(5));
});
