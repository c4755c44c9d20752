/** Clients of servers that stay which take nothing, send nothing, or next to nothing; and honest ones that are just slow. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

const data = "MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n";
const timedOut = "451 timeout (#4.4.2)\r\n";
const megabyte = 1000; // kB

describe("qmail-smtpd with four seconds of patience", () => {
  let home: ServerHome;
  let server: Resident;
  let before: number;
  beforeAll(async () => {
    home = new ServerHome();
    home.write("control/timeoutsmtpd", "4\n");
    server = await Resident.start(home);
    await accepts(server);
    before = server.descriptors;
  });
  afterAll(async () => {
    expect(server.log).not.toContain("warning");
    await server[Symbol.asyncDispose]();
    home[Symbol.dispose]();
  });

  /** An honest client is served. */
  async function accepts(server: Resident): Promise<void> {
    expect(await session(server, `${data}Subject: honest\r\n\r\n.\r\nQUIT\r\n`)).toContain("250 ok 1");
    expect(home.queued().filter(({ text }) => text.includes("Subject: honest"))).toHaveLength(1);
    home.empty();
  }

  /** Sends what is given, byte by byte, until the server has enough. Returns what was said last, and how much was sent. */
  async function dribble(prefix: string, text: string, interval: number): Promise<[string, number]> {
    using talk = new Talk(server.port);
    talk.say(prefix);
    let sent = 0;
    while (!talk.over && sent < text.length) {
      talk.say(text.slice(sent, ++sent));
      await Bun.sleep(interval);
    }
    await talk.ended;
    return [talk.text.slice(talk.text.lastIndexOf("\n", talk.text.length - 2) + 1), sent];
  }

  test("deaf clients are cut, hold little memory, and keep nobody waiting", async () => {
    const commands = "EHLO x\r\n".repeat(200_000); // Answered with 12 MB.
    // It grows when it begins to work, whoever the client is.
    for (let count = 0; count < 20; count++) await accepts(server);
    const start = server.memory;
    const deaf = Array.from({ length: 20 }, () => new Talk(server.port));
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, server.memory);
    }, 50);
    for (const talk of deaf) {
      talk.socket.pause();
      talk.say(commands);
    }
    await until("they are connected", () => server.descriptors >= before + deaf.length);
    for (let count = 0; count < 10; count++) await accepts(server);
    await until("they are cut", () => server.descriptors <= before);
    clearInterval(timer);
    for (const talk of deaf) talk.reset();
    console.log(`20 deaf clients: ${most - start} kB more at most`);
    // Not what 240 MB of replies take: a little for each, and what the runtime has not collected yet.
    expect(most - start).toBeLessThan(120 * megabyte);
    await accepts(server);
  });

  test("a byte now and then is not enough", async () => {
    const rows = [
      ["", "x".repeat(999), 100],
      [data, "x".repeat(999), 100],
      [data, "x\r\n".repeat(333), 100],
      [data, "x".repeat(99), 1000],
    ] as const;
    const ends = await Promise.all(rows.map(([prefix, text, interval]) => dribble(prefix, text, interval)));
    for (const [index, [last, sent]] of ends.entries()) {
      expect([index, last]).toEqual([index, timedOut]);
      expect(sent).toBeLessThan(rows[index]?.[1].length ?? 0);
    }
    expect(home.queued()).toEqual([]);
    await accepts(server);
  });

  test("a client that is silent is cut in every state", async () => {
    const states = ["", "HEL", "HELO x\r\n", "MAIL FROM:<a@b>\r\n", data, `${data}half`, `${data}x\r\n.`];
    const talks = states.map((words) => {
      const talk = new Talk(server.port);
      talk.say(words);
      return talk;
    });
    await Promise.all(talks.map((talk) => talk.ended));
    for (const talk of talks) {
      expect(talk.text).toEndWith(timedOut);
      talk.socket.destroy();
    }
    expect(home.queued()).toEqual([]);
  });

  test("an honest client that is slow gets through, though it takes many times as long", async () => {
    using talk = new Talk(server.port);
    const commands = data.split(/(?<=\n)/);
    for (const [index, command] of commands.entries()) {
      await talk.hears(new RegExp(`(\\d{3} .*\\r\\n){${index + 1}}`));
      await Bun.sleep(700); // Within the patience, each time.
      talk.say(command);
    }
    await talk.hears("354");
    const lines = Array.from({ length: 50 }, (_, index) => `line ${index} ${"x".repeat(20)}\r\n`);
    for (const line of lines) {
      talk.say(line);
      await Bun.sleep(120); // 250 bytes a second.
    }
    talk.say(".\r\nQUIT\r\n");
    await talk.ended;
    expect(talk.text).toMatch(/354 go ahead\r\n250 ok \d+ qp \d+\r\n221 test\.example\r\n$/);
    const [message, ...others] = home.queued();
    expect([message?.text.endsWith(lines.join("").replaceAll("\r\n", "\n")), others]).toEqual([true, []]);
    home.empty();
  });

  test("a client that reads its many replies slowly gets them all", async () => {
    using talk = new Talk(server.port);
    const count = 60_000;
    talk.say(`${"NOOP\r\n".repeat(count)}QUIT\r\n`);
    for (let pauses = 0; !talk.over && pauses < 10; pauses++) {
      talk.socket.pause();
      await Bun.sleep(300);
      talk.socket.resume();
      await Bun.sleep(5);
    }
    await talk.ended;
    expect(talk.text).toBe(`220 test.example ESMTP\r\n${"250 ok\r\n".repeat(count)}221 test.example\r\n`);
  });
});
