/** A server that stays goes on with its other clients while a queue program takes its time. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { run } from "../helpers/built.ts";
import { longText, shortText, ways } from "../helpers/messages.ts";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { session, steady, Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

describe.each(ways)("$program", ({ program, say, accepted }) => {
  let home: ServerHome;
  beforeAll(() => {
    home = new ServerHome();
  });
  afterAll(() => home[Symbol.dispose]());

  /** A queue program that waits for a file and then keeps what it gets. `before`: it has read nothing until then. */
  function slow(before: boolean): string {
    const wait = `while [ ! -e '${home.in("go")}' ]; do sleep 0.05; done`;
    const keep = `cat >'${home.in("kept")}'; cat <&1 >'${home.in("kept-envelope")}'`;
    const script = `#!/bin/sh\n: >'${home.in("begun")}'\n${before ? `${wait}\n${keep}` : `${keep}\n${wait}`}\n`;
    return home.write("slow", script, 0o755);
  }

  test.each([
    ["answers late", false, shortText],
    ["answers late a long message", false, longText(300_000)],
    ["does not begin to read", true, longText(3_000_000)],
  ] as const)("one that %s holds up nobody else", async (_, before, text) => {
    for (const name of ["go", "begun", "kept"]) rmSync(home.in(name), { force: true });
    const options = await home.rules(`:allow,QMAILQUEUE="${slow(before)}"\n`);
    await using server = await Resident.start(home, { program, options });
    using waiting = new Talk(server.port);
    waiting.say(say(text));
    await until("the queue program runs", () => existsSync(home.in("begun")));
    await home.rules(":allow\n");
    for (let count = 0; count < 5; count++) expect(await session(server, say(shortText))).toMatch(accepted);
    expect(server.children()).toHaveLength(1);
    writeFileSync(home.in("go"), "");
    await waiting.hears(/ok \d+ qp/);
    waiting.socket.end();
    await waiting.ended;
    expect(waiting.text).toMatch(accepted);
    expect(home.read("kept")).toEndWith(text);
    expect(home.read("kept-envelope")).toBe("Fa@b\0Tjoe@test.example\0\0");
    expect(home.queued().map((message) => message.text.endsWith(shortText))).toEqual(Array(5).fill(true));
    home.empty();
    expect(server.log).not.toContain("warning");
    await until("the queue program is gone", () => server.children().length === 0);
  });

  /** Queue programs that decide before, or otherwise than, they should. */
  const programs: readonly (readonly [what: string, script: string])[] = [
    ["refuses at once", "exit 31"],
    ["says why", "echo 'Dno thanks (#5.7.1)' >&6; exit 82"],
    ["says much", "cat >/dev/null; cat <&1 >/dev/null; head -c 300000 /dev/zero | tr '\\0' x >&6; exit 82"],
    ["reads some and accepts", "head -c 1000 >/dev/null; exec 0<&-; cat <&1 >/dev/null"],
    ["dies", "kill -9 $$"],
    ["leaves somebody behind", "cat >/dev/null; cat <&1 >/dev/null; sleep 20 <&- >&- 2>&- 6>&- & exit 0"],
    ["is none", ""],
  ];

  test("one that ends early or badly says the same as one-shot, and leaves nothing behind", async () => {
    const path = home.in("program");
    await using server = await Resident.start(home, {
      program,
      options: await home.rules(`:allow,QMAILQUEUE="${path}"\n`),
    });
    await session(server, say(shortText));
    const before = server.descriptors;
    for (const [what, script] of programs)
      for (const text of [shortText, longText(1_500_000)]) {
        if (script === "") rmSync(path, { force: true });
        else home.write("program", `#!/bin/sh\n${script}\n`, 0o755);
        const env = { QMAILHOME: home.path, QMAILQUEUE: path, TCPREMOTEIP: "127.0.0.1" };
        const oneShot = await run(program, { stdin: Buffer.from(say(text)), env });
        const heard = await session(server, say(text));
        expect([what, text.length, steady(heard)]).toEqual([what, text.length, steady(oneShot.stdout)]);
      }
    await until("the last session is closed", () => server.descriptors <= before);
    expect(server.children()).toEqual([]);
    expect(server.log).not.toContain("warning");
  });
});
