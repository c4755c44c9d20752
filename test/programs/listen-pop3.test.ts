/** qmail-popup that stays, with checkpassword and qmail-pop3d: clients that leave in every state of a session. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bin } from "../helpers/built.ts";
import { PrivateHome } from "../helpers/home.ts";
import { Resident, until } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

const login = "USER joe\r\nPASS secret\r\n";
const count = 3;
const size = 3_000_000;

/** A state, what is said to get there, and what is heard then; and how many messages are left afterwards. */
const states: readonly (readonly [string, readonly string[], string | RegExp, number])[] = [
  ["connected", [], "", count],
  ["greeted", [], "+OK <", count],
  ["in USER", ["USER jo"], "+OK <", count],
  ["behind USER", ["USER joe\r\n"], />\r\n\+OK \r\n/, count],
  ["in PASS", ["USER joe\r\n", "PASS secr"], />\r\n\+OK \r\n/, count],
  ["let in", [login], /\n\+OK \r\n\+OK \r\n/, count],
  ["let in, all at once", [`${login}STAT\r\n`], `+OK ${count} `, count],
  ["behind STAT", [login, "STAT\r\n"], `+OK ${count} `, count],
  ["in a command", [login, "RETR 1"], /\n\+OK \r\n\+OK \r\n/, count],
  ["in the middle of RETR", [login, "RETR 3\r\n"], "Subject: long", count],
  ["behind DELE", [login, "DELE 1\r\n"], /(\+OK \r\n){3}/, count],
  ["behind QUIT", [login, "DELE 1\r\n", "QUIT\r\n"], /(\+OK \r\n){4}/, count - 1],
  ["refused", ["USER joe\r\nPASS wrong\r\n"], "-ERR authorization failed", count],
];

describe("qmail-popup, checkpassword, qmail-pop3d", () => {
  let home: PrivateHome;
  let server: Resident;
  let before: number;
  const files = (): string[] => ["new", "cur"].flatMap((part) => readdirSync(join(home.maildir, part)));

  beforeAll(async () => {
    home = new PrivateHome("joe");
    const { exitCode } = Bun.spawnSync([join(bin, "qmail"), "user", "passwd", "joe"], {
      stdin: Buffer.from("secret\n"),
      env: home.environment,
    });
    expect(exitCode).toBe(0);
    server = await Resident.start(home, {
      program: "qmail-popup",
      words: ["pop", "checkpassword", "qmail-pop3d", "Maildir"],
    });
    await session(server, `${login}STAT\r\nQUIT\r\n`);
    await until("all is over", () => server.children().length === 0);
    before = server.descriptors;
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await home.remove();
  });

  beforeEach(() => {
    for (const part of ["new", "cur"])
      for (const name of readdirSync(join(home.maildir, part))) rmSync(join(home.maildir, part, name));
    const texts = [
      "Subject: 1\n\n",
      "Subject: 2\n\n",
      `Subject: long\n\n${`${"x".repeat(99)}\n`.repeat(size / 100)}`,
    ];
    for (const [index, text] of texts.entries()) {
      const path = join(home.maildir, "new", `100${index}.x`);
      writeFileSync(path, text);
      utimesSync(path, index + 1, index + 1); // What came in this second is for the next session.
    }
  });

  async function recovered(left: number): Promise<void> {
    await until("the programs are gone", () => server.children().length === 0);
    await until("the descriptors are closed", () => server.descriptors <= before);
    expect(files()).toHaveLength(left);
    expect(server.log).not.toContain("warning");
    expect(await session(server, `${login}STAT\r\nQUIT\r\n`)).toContain(`+OK ${left} `);
    await until("all is over", () => server.children().length === 0);
  }

  /** Says one thing after the other, each when the one before was answered. */
  async function leads(talk: Talk, said: readonly string[], heard: string | RegExp): Promise<void> {
    for (const [index, words] of said.entries()) {
      const answers = talk.text.length;
      talk.say(words);
      if (index < said.length - 1 || words === login) {
        const wanted = words === login ? /\n\+OK \r\n\+OK \r\n/ : /\+OK/;
        await until("it answers", () => wanted.test(words === login ? talk.text : talk.text.slice(answers)));
      }
    }
    await talk.hears(heard);
    if (heard === "") await Bun.sleep(30);
  }

  test.each(states)("%s: reset", async (_, said, heard, left) => {
    using talk = new Talk(server.port);
    if (heard === "") await new Promise((resolve) => talk.socket.once("connect", resolve));
    await leads(talk, said, heard);
    talk.reset();
    await recovered(left);
  });

  test.each(states)("%s: no more comes", async (_, said, heard, left) => {
    using talk = new Talk(server.port);
    await leads(talk, said, heard);
    talk.socket.end();
    await talk.ended;
    await recovered(left);
  });

  test("a client that reads nothing of a long message is given up when it leaves", async () => {
    using talk = new Talk(server.port);
    await leads(talk, [login], /\n\+OK \r\n\+OK \r\n/);
    talk.socket.pause();
    talk.say("RETR 3\r\n");
    await Bun.sleep(200);
    expect(await session(server, `${login}STAT\r\nQUIT\r\n`)).toContain(`+OK ${count} `);
    expect(server.children()).toHaveLength(1);
    talk.reset();
    await recovered(count);
  });
});
