/** Servers that stay in several processes: who gets the clients, what dies with whom, and how they end together. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { longText, shortText, ways } from "../helpers/messages.ts";
import { Resident, ServerHome, type Start, until } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";

setDefaultTimeout(300_000);

const several = (processes: number, ...more: string[]): string[] => ["--processes", `${processes}`, ...more];
const message = (text: string): string => ways[0]?.say(text) ?? "";
const begin = "MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n";
const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
};

/** A client whose first message is acknowledged, so that it is known who serves it, and whose second is on its way. */
class Halfway extends Talk {
  pid = 0;

  static async at(port: number, text: string): Promise<Halfway> {
    const talk = new Halfway(port);
    talk.say(`${begin}first ${text}\r\n.\r\n`);
    await talk.hears(/250 ok \d+ qp \d+\r\n/);
    talk.pid = Number(/qp (\d+)/.exec(talk.text)?.[1]);
    talk.say(`${begin}second ${text}\r\n`);
    await talk.hears(/354[\s\S]*354 go ahead/);
    return talk;
  }

  get acknowledged(): number {
    return this.text.match(/250 ok \d+ qp/g)?.length ?? 0;
  }
}

/** One at each process. */
async function everywhere({ port }: { port: number }, processes: number): Promise<Halfway[]> {
  const found = new Map<number, Halfway>();
  for (let count = 0; found.size < processes; count++) {
    if (count > 200) throw new Error(`200 clients at ${[...found.keys()]} only`);
    const talk = await Halfway.at(port, `of ${count}`);
    if (found.has(talk.pid)) await finish(talk);
    else found.set(talk.pid, talk);
  }
  return [...found.values()];
}

async function finish(talk: Halfway): Promise<void> {
  talk.say(".\r\nQUIT\r\n");
  await talk.ended;
  expect(talk.acknowledged).toBe(2);
  talk.socket.destroy();
}

describe.each(ways)("$program", ({ program, say, accepted }) => {
  test("each process takes mail, each message is in the queue once, and all end", async () => {
    using home = new ServerHome();
    await using server = await Resident.start(home, { program, options: several(3) });
    const children = server.childPids();
    expect(children.length).toBe(3);
    const heard: string[] = [];
    const pids = () => [...new Set(heard.map((text) => Number(/qp (\d+)/.exec(text)?.[1])))].sort();
    while (pids().length < 3 && heard.length < 200)
      heard.push(await session(server, say(`Subject: ${heard.length}\n\nhi\n`)));
    heard.push(await session(server, say(longText(1_500_000))));
    expect(heard.filter((text) => !accepted.test(text))).toEqual([]);
    for (const child of children) expect(pids()).toContain(child);
    expect(home.queued().length).toBe(heard.length);
    expect(await server.stop()).toBe(0);
    expect(children.filter(isAlive)).toEqual([]);
    expect(server.log).not.toContain("warning");
  });
});

test("qmail-popup: each process greets with stamps of its own, and runs the program that follows", async () => {
  using home = new ServerHome();
  const mailbox = home.write("mailbox", "#!/bin/sh\ncat <&3 >/dev/null\nprintf '+OK in\\r\\n'\n", 0o755);
  const how: Start = { program: "qmail-popup", words: ["pop", mailbox, "--listen"], options: several(2) };
  await using server = await Resident.start(home, how);
  const stamps = new Set<string>();
  const pids = new Set<number>();
  for (let count = 1; count <= 200 && pids.size < 2; count++) {
    const text = await session(server, "USER joe\r\nPASS x\r\n");
    expect(text).toEndWith("+OK in\r\n");
    stamps.add(text.split("\r\n")[0] ?? "");
    expect(stamps.size).toBe(count);
    pids.add(Number(/<(\d+)\./.exec(text)?.[1]));
  }
  expect([...pids].sort()).toEqual(server.childPids().sort());
});

test.each([
  [["--connections", "5"], 5],
  [["--connections", "50", "--per-client", "2"], 2],
  [["--connections", "50", "--per-client", "3"], 4],
] as const)("the processes together keep the limits: %p: %i of 60 are served", async (limits, served) => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: several(2, ...limits) });
  const talks = Array.from({ length: 60 }, () => new Talk(server.port));
  await Promise.all(talks.map((talk) => talk.hears("\r\n")));
  const said = talks.map(({ text }) => text.slice(0, 3));
  expect(said.filter((code) => code === "220").length).toBe(served);
  expect(said.filter((code) => code === "421").length).toBe(60 - served);
  for (const { socket } of talks) socket.destroy();
});

test("a process that dies takes its sessions with it, and nothing that was acknowledged", async () => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: several(2) });
  const [dead, living] = await everywhere(server, 2);
  if (dead === undefined || living === undefined) throw new Error("two were asked for");
  process.kill(dead.pid, "SIGKILL");
  await dead.ended;
  expect(dead.acknowledged).toBe(1);
  await finish(living);
  await until("the next one is here", () => server.childPids().some((pid) => pid !== living.pid));
  for (const talk of await everywhere(server, 2)) {
    expect(talk.pid).not.toBe(dead.pid);
    await finish(talk);
  }
  const texts = home.queued().map(({ text }) => text);
  expect(texts.some((text) => text.includes("first of 0"))).toBe(true);
  expect(texts.filter((text) => text.includes("second")).length).toBe(
    texts.filter((text) => text.includes("first")).length - 1,
  );
  expect(server.log).toContain(
    `qmail-smtpd: warning: process ${dead.pid} was ended by SIGKILL; the next one comes now\n`,
  );
  expect(await server.stop()).toBe(0);
});

test("who waits to be accepted by a process that dies is served by the next", async () => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: several(2) });
  const pids = server.childPids();
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  const talks = Array.from({ length: 20 }, () => new Talk(server.port));
  await Promise.all(talks.map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))));
  for (const pid of pids) process.kill(pid, "SIGKILL");
  for (const talk of talks) talk.say(message(shortText));
  await Promise.all(talks.map(({ ended }) => ended));
  for (const { text, socket } of talks) {
    expect(text).toMatch(ways[0]?.accepted ?? /^$/);
    socket.destroy();
  }
  expect(home.queued().length).toBe(20);
});

test("where processes keep dying, the others serve all until there is another", async () => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: several(2) });
  const [stays, ...others] = server.childPids();
  for (let deaths = 0; deaths < 3; deaths++) {
    await until("there is another", () => server.childPids().length === 2);
    process.kill(server.childPids().find((pid) => pid !== stays) ?? 0, "SIGKILL");
    await until("it is said", () => (server.log.match(/; the next one/g)?.length ?? 0) > deaths);
  }
  expect(others.length).toBe(1);
  expect(server.log.match(/the next one comes .*/g)).toEqual([
    "the next one comes now",
    "the next one comes in 1 s",
    "the next one comes in 2 s",
  ]);
  const heard: string[] = [];
  const isAlone = (): boolean => server.childPids().length < 2;
  while (isAlone()) {
    const text = await session(server, message(shortText));
    // The next one may have come meanwhile, and taken it.
    if (isAlone()) heard.push(text);
  }
  expect(heard.filter((text) => !text.includes(`qp ${stays}\r\n`))).toEqual([]);
  expect(heard.length).toBeGreaterThan(0);
  for (const talk of await everywhere(server, 2)) await finish(talk);
});

test("SIGTERM to one of the processes: it ends as a server does, and another takes its place", async () => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: several(2) });
  const [old, other] = await everywhere(server, 2);
  if (old === undefined || other === undefined) throw new Error("two were asked for");
  process.kill(old.pid, "SIGTERM");
  old.say(".\r\n");
  await old.ended;
  expect(old.acknowledged).toBe(2);
  expect(old.text).toEndWith("421 shutting down (#4.3.2)\r\n");
  old.socket.destroy();
  await until("another is here", () => server.childPids().filter((pid) => pid !== old.pid).length === 2);
  const line = `process ${old.pid} ended with 0; the next one comes now`;
  await until("the log says so", () => server.log.includes(line));
  await finish(other);
});

/** Says one message after the other in one session after the other, until nobody lets it in any more; puts names into `kept`. */
async function load({ port }: { port: number }, id: number, kept: string[]): Promise<void> {
  for (let count = 0; ; count++) {
    using talk = new Talk(port);
    const name = `message ${id}.${count}.`;
    talk.say(message(`Subject: x\n\n${name}\n`));
    await talk.ended;
    if (!/250 ok \d+ qp/.test(talk.text)) return;
    kept.push(name);
  }
}

/** Whether each of these is in the queue. */
function expectQueued(home: ServerHome, kept: readonly string[]): void {
  const texts = home.queued().map(({ text }) => text);
  expect(kept.filter((name) => !texts.some((text) => text.includes(name)))).toEqual([]);
}

test.each(["the first process", "all processes at once"])(
  "SIGTERM to %s under load: what was acknowledged is there, and nobody is let in",
  async (whom) => {
    using home = new ServerHome();
    await using server = await Resident.start(home, { options: several(2) });
    const [halfway] = await everywhere(server, 2);
    const pids = server.childPids();
    const kept: string[] = [];
    const loads = Array.from({ length: 10 }, (_, id) => load(server, id, kept));
    await until("mail comes", () => kept.length > 40);
    const over = server.stop();
    if (whom !== "the first process") for (const pid of pids) process.kill(pid, "SIGTERM");
    await Promise.all(loads);
    await until("nobody listens", () => !server.listens);
    halfway?.say(".\r\n");
    await halfway?.ended;
    expect(halfway?.acknowledged).toBe(2);
    halfway?.socket.destroy();
    // The other client says nothing more.
    expect(server.child.exitCode).toBe(null);
    server.signal("SIGTERM");
    expect(await over).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    expectQueued(home, kept);
  },
);

test("without the first process the others end as after SIGTERM, and the address is free for the next server", async () => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: several(2) });
  const talks = await everywhere(server, 2);
  const pids = server.childPids();
  const kept: string[] = [];
  const loads = Array.from({ length: 10 }, (_, id) => load(server, id, kept));
  await until("mail comes", () => kept.length > 40);
  server.signal("SIGKILL");
  await Promise.all(loads);
  await until("nobody listens", () => !server.listens);
  expect(pids.filter(isAlive).length).toBe(2);
  await using next = await Resident.start(home, {
    options: several(2),
    listen: [`127.0.0.1:${server.port}`],
  });
  for (const talk of talks) {
    talk.say(".\r\n");
    await talk.ended;
    expect(talk.text).toEndWith("421 shutting down (#4.3.2)\r\n");
    expect(talk.acknowledged).toBe(2);
    talk.socket.destroy();
  }
  await until("all have ended", () => !pids.some(isAlive));
  expect(await session(next, message(shortText))).toMatch(/250 ok \d+ qp/);
  expectQueued(home, kept);
});
