/** SIGTERM to a server that stays: what is under way ends properly, nobody new is taken, a second one cuts. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { longText, shortText, ways } from "../helpers/messages.ts";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

const [smtp] = ways;

/** Nobody is let in any more: the connection is refused. */
async function isClosed(port: number): Promise<void> {
  using late = new Talk(port);
  await late.ended;
  expect([late.failure, late.text]).toEqual(["ECONNREFUSED", ""]);
}

async function connected(port: number): Promise<Talk> {
  const talk = new Talk(port);
  await new Promise((resolve) => talk.socket.once("connect", resolve));
  return talk;
}

describe.each(ways)("$program", ({ program, say, accepted }) => {
  let home: ServerHome;
  beforeAll(() => {
    home = new ServerHome();
  });
  afterAll(() => home[Symbol.dispose]());

  const whole = say(shortText);
  const farewell = program === "qmail-smtpd" ? "421 shutting down (#4.3.2)\r\n" : "";
  /** A client that is in the middle of its message, and will say the rest. */
  async function halfway(port: number): Promise<[Talk, string]> {
    const end = whole.indexOf("hi");
    const talk = await connected(port);
    talk.say(whole.slice(0, end));
    if (program === "qmail-smtpd") await talk.hears("354");
    else await Bun.sleep(100);
    return [talk, whole.slice(end)];
  }

  test("a message on its way arrives, idle clients are told, new ones are refused", async () => {
    await using server = await Resident.start(home, { program, listen: ["127.0.0.1:0", "127.0.0.1:0"] });
    using idle = await connected(server.port);
    if (program === "qmail-smtpd") await idle.hears("220");
    const [sending, rest] = await halfway(server.port);
    const over = server.stop();
    await idle.ended;
    expect(idle.text).toEndWith(farewell);
    expect(idle.failure).toBe(undefined as never);
    idle.socket.end();
    for (const port of server.ports) await isClosed(port);
    expect(sending.over).toBe(false);
    sending.say(rest.replace("QUIT\r\n", ""));
    await sending.ended;
    expect(sending.text).toMatch(/ok \d+ qp \d+/);
    expect(sending.text).toEndWith(farewell);
    sending.socket.end();
    expect(await over).toBe(0);
    expect(home.queued()).toEqual([
      { text: expect.stringContaining(shortText), envelope: ["Fa@b", "Tjoe@test.example"] },
    ]);
    home.empty();
  });

  test("a second signal cuts, and nothing of the message is queued", async () => {
    await using server = await Resident.start(home, { program });
    expect(await session(server, whole)).toMatch(accepted);
    home.empty();
    const [sending] = await halfway(server.port);
    const over = server.stop();
    await until("nobody is let in", () => !server.listens);
    await Bun.sleep(100);
    expect([sending.over, server.child.exitCode]).toEqual([false, null]);
    server.signal("SIGTERM");
    await sending.ended;
    expect(await over).toBe(0);
    expect(home.queued()).toEqual([]);
    sending.socket.destroy();
  });

  for (const [what, text] of [
    ["a message", shortText],
    ["a long message", longText(1_500_000)],
  ] as const)
    test(`${what} that the queue has at the signal is answered`, async () => {
      const wait = `cat >/dev/null; cat <&1 >/dev/null; : >'${home.in("begun")}'; while [ ! -e '${home.in("go")}' ]; do sleep 0.05; done`;
      const queue = home.write("slow", `#!/bin/sh\n${wait}\n`, 0o755);
      for (const name of ["begun", "go"]) rmSync(home.in(name), { force: true });
      await using server = await Resident.start(home, { program, env: { QMAILQUEUE: queue } });
      using talk = await connected(server.port);
      talk.say(say(text));
      await until("the queue program has it", () => existsSync(home.in("begun")));
      const over = server.stop();
      await until("nobody is let in", () => !server.listens);
      writeFileSync(home.in("go"), "");
      await talk.ended;
      expect(talk.text).toMatch(accepted);
      talk.socket.end();
      expect(await over).toBe(0);
    });
});

test("a queue program that never answers does not keep a server from ending", async () => {
  using home = new ServerHome();
  const queue = home.write("stuck", `#!/bin/sh\n: >'${home.in("begun")}'\nexec sleep 50\n`, 0o755);
  await using server = await Resident.start(home, { env: { QMAILQUEUE: queue } });
  using short = await connected(server.port);
  using long = await connected(server.port);
  short.say(smtp?.say(shortText) ?? "");
  long.say(smtp?.say(longText(1_500_000)) ?? "");
  await until("the queue program runs", () => existsSync(home.in("begun")));
  const stuck = server.childPids();
  const over = server.stop();
  await until("nobody is let in", () => !server.listens);
  server.signal("SIGTERM");
  await Promise.all([short.ended, long.ended]);
  expect([await over, short.text.includes("250 ok 1"), long.text.includes("250 ok 1")]).toEqual([
    0,
    false,
    false,
  ]);
  for (const pid of stuck) process.kill(pid, "SIGKILL");
});

describe("qmail-popup", () => {
  let home: ServerHome;
  beforeAll(() => {
    home = new ServerHome();
  });
  afterAll(() => home[Symbol.dispose]());

  /** A checker and mailbox in one, which repeats what the client says until it says bye. */
  const start = () => {
    const script = `#!/bin/sh\ncat <&3 >/dev/null\nprintf '+OK in\\r\\n'\nwhile read line; do echo "got $line"; test "$line" = bye && exit 0; done\n`;
    return Resident.start(home, {
      program: "qmail-popup",
      words: ["pop", home.write("mailbox", script, 0o755)],
    });
  };
  const login = "USER joe\r\nPASS x\r\n";

  test("who is let in may finish, who is not has to go", async () => {
    await using server = await start();
    using idle = await connected(server.port);
    using inside = await connected(server.port);
    using ahead = await connected(server.port);
    inside.say(login);
    ahead.say(`${login}one\n`);
    for (const [talk, words] of [
      [idle, "+OK <"],
      [inside, "+OK in"],
      [ahead, "got one"],
    ] as const)
      await talk.hears(words);
    const over = server.stop();
    await idle.ended;
    idle.socket.end();
    await isClosed(server.port);
    for (const talk of [inside, ahead]) {
      talk.say("two\nbye\n");
      await talk.ended;
      expect(talk.text).toEndWith("got two\ngot bye\n");
      talk.socket.end();
    }
    expect(await over).toBe(0);
  });

  test("a second signal cuts who is let in, too", async () => {
    await using server = await start();
    using inside = await connected(server.port);
    using ahead = await connected(server.port);
    inside.say(login);
    ahead.say(`${login}one\n`);
    await inside.hears("+OK in");
    await ahead.hears("got one");
    const over = server.stop();
    await until("nobody is let in", () => !server.listens);
    await Bun.sleep(100);
    expect([inside.over, ahead.over, server.child.exitCode]).toEqual([false, false, null]);
    server.signal("SIGTERM");
    await Promise.all([inside.ended, ahead.ended]);
    expect(await over).toBe(0);
  });
});
