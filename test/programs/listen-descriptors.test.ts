/** Servers that stay on sockets that somebody else made, as systemd does; what they hand on; and what they refuse. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { delayAfter } from "../../src/core/net/seat.ts";
import { listenTogether } from "../../src/core/sys/accept.ts";
import { localEndpoint } from "../../src/core/sys/endpoints.ts";
import { setBlocking } from "../../src/core/sys/libc.ts";
import { bin, run } from "../helpers/built.ts";
import { shortText, ways } from "../helpers/messages.ts";
import { Resident, ServerHome } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";

setDefaultTimeout(300_000);

const message = ways[0]?.say(shortText) ?? "";

/** A socket that listens, as a socket unit has one: accepting from it waits. */
class Unit {
  readonly fd: number;
  readonly port: number;

  constructor() {
    const [fd = -1] = listenTogether({ address: Uint8Array.of(127, 0, 0, 1), port: 0 }, 20, 1);
    setBlocking(fd);
    this.fd = fd;
    this.port = localEndpoint(fd).port;
  }

  /** Starts a server that finds the socket as its descriptor 3. */
  async start(home: ServerHome, ...options: string[]): Promise<Bun.Subprocess<"ignore", "ignore", "pipe">> {
    const child = Bun.spawn([join(bin, "qmail-smtpd"), "--listen", "fd:3", ...options], {
      stdio: ["ignore", "ignore", "pipe", this.fd],
      env: { PATH: `${bin}:/usr/bin:/bin`, QMAILHOME: home.path },
    });
    const { value } = await child.stderr.getReader().read();
    expect(Buffer.from(value ?? []).toString()).toBe(
      `qmail-smtpd: status: listening on 127.0.0.1:${this.port}\n`,
    );
    return child;
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

test.each([[[]], [["--processes", "2"]]] as const)(
  "a descriptor that listens, %p: clients are served, and wait for the next server when one has ended",
  async (options) => {
    using home = new ServerHome();
    using unit = new Unit();
    using early = new Talk(unit.port);
    early.say(message);
    const first = await unit.start(home, ...options);
    await early.ended;
    expect(early.text).toMatch(/250 ok \d+ qp/);
    const texts = await Promise.all(Array.from({ length: 20 }, () => session(unit, message)));
    expect(texts.filter((text) => !/250 ok \d+ qp/.test(text))).toEqual([]);
    first.kill("SIGTERM");
    expect(await first.exited).toBe(0);
    using between = new Talk(unit.port);
    between.say(message);
    const second = await unit.start(home, ...options);
    await between.ended;
    expect(between.text).toMatch(/250 ok \d+ qp/);
    second.kill("SIGTERM");
    expect(await second.exited).toBe(0);
    expect(home.queued().length).toBe(22);
  },
);

test.each([[[]], [["--processes", "2"]]] as const)(
  "what a server %p executes gets none of its descriptors",
  async (options) => {
    using home = new ServerHome();
    const look = `ls -l /proc/self/fd >'${home.in("seen")}'; cat >/dev/null; cat <&1 >/dev/null`;
    const env = { QMAILQUEUE: home.write("look", `#!/bin/sh\n${look}\n`, 0o755) };
    await using server = await Resident.start(home, { options, env });
    expect(await session(server, message)).toMatch(/250 ok \d+ qp/);
    // ls has its own directory open; 0 and 1 are the message and the envelope, 6 is for words.
    const numbers = [...home.read("seen").matchAll(/ (\d+) -> /g)].map(([, number]) => Number(number));
    expect(numbers.sort()).toEqual([0, 1, 2, 3, 6]);
  },
);

test.each([
  ["fd:9", 111, "unable to listen on descriptor 9: "],
  ["fd:2", 100, "--listen takes"],
  ["fd:", 100, "--listen takes"],
] as const)("%s is refused", async (place, code, words) => {
  const ended = await run("qmail-smtpd", { args: ["--listen", place] });
  expect(ended).toMatchObject({ code, stderr: expect.stringContaining(`qmail-smtpd: fatal: ${words}`) });
});

describe.each(["qmail-smtpd", "qmail-qmtpd", "qmail-qmqpd", "qmail-popup"])("%s", (program) => {
  const words = program === "qmail-popup" ? ["pop", "true"] : [];
  const listen = ["--listen", "127.0.0.1:0"];
  test.each([
    [["--processes", "2"], "--processes is for a server that stays"],
    [["--processes=0"], "--processes takes a number from 1 on, not 0"],
    [[...listen, "--processes", "0"], "--processes takes a number from 1 on, not 0"],
    [[...listen, "--processes", "two"], "--processes takes a number from 1 on, not two"],
    [
      [...listen, "--processes", "201"],
      "--processes 201 are more than the clients at once, --connections 200",
    ],
    [[...listen, "--share", "0"], "--share takes a number below that of --processes"],
    [[...listen, "--processes", "2", "--share", "2"], "--share takes a number below that of --processes"],
  ])("%p is refused", async (options, complaint) => {
    expect(await run(program, { args: [...options, ...words] })).toMatchObject({
      code: 100,
      stderr: expect.stringContaining(`${program}: fatal: ${complaint}`),
    });
  });
});

describe("an address that a server in two processes has", () => {
  let home: ServerHome;
  let server: Resident;
  beforeAll(async () => {
    home = new ServerHome();
    server = await Resident.start(home, { options: ["--processes", "2"] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    home[Symbol.dispose]();
  });

  test.each(["1", "2"])("is not free for another in %s", async (processes) => {
    const place = `127.0.0.1:${server.port}`;
    const args = ["--listen", place, "--processes", processes];
    expect(await run("qmail-smtpd", { args, env: { QMAILHOME: home.path } })).toMatchObject({
      code: 111,
      stderr: `qmail-smtpd: fatal: unable to listen on ${place}: address already used\n`,
    });
  });
});

test("one process is the server itself", async () => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: ["--processes", "1"] });
  expect(await session(server, message)).toContain(` qp ${server.pid}\r\n`);
  expect(server.children()).toEqual([]);
});

test("the processes come later and later", () => {
  expect([1, 2, 3, 4, 8, 9, 10_000].map(delayAfter)).toEqual([0, 1, 2, 4, 64, 64, 64]);
});
