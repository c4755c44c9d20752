/** The built qmail-send with its partners played by the test: starting, stopping, crashing, and bad company. */
import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { pullTrigger } from "../../../src/core/queue/trigger.ts";
import { makeFifo, pipe } from "../../../src/core/sys/libc.ts";
import { bin, Scratch } from "../../helpers/built.ts";
import { layOutQueue, split } from "../../helpers/layout.ts";
import { patience } from "../../helpers/patience.ts";

/** A delivery that a spawner was told to try. */
interface Command {
  fd: number;
  slot: number;
  recipient: string;
}

/** A queue, and perhaps a qmail-send that works on it. */
class Mail {
  readonly scratch = new Scratch();
  readonly queue = this.scratch.in("queue");
  child: Bun.Subprocess | undefined;
  log = "";
  commands: Command[] = [];
  /** What qmail-clean was asked for. */
  requests: string[] = [];
  /** What the spawners do with a command; default: success at once. */
  deliver = (command: Command): void => this.report(command, "Kok\n");
  #open: number[] = [];

  constructor() {
    mkdirSync(this.queue);
    layOutQueue(this.queue, false);
    this.control("me", "here.example\n");
  }

  control(name: string, text: string): void {
    this.scratch.write(`control/${name}`, text);
  }

  /** As qmail-queue does it. */
  submit(recipients: string[], message = "Subject: x\n\n"): number {
    const first = this.scratch.write("queue/pid/new", message);
    const id = statSync(first).ino;
    linkSync(first, this.path("mess", id));
    unlinkSync(first);
    const envelope = ["u1", "p2", "Fs@there.example", ...recipients.map((recipient) => `T${recipient}`), ""];
    const intd = this.scratch.write(`queue/intd/${id}`, envelope.join("\0"));
    linkSync(intd, join(this.queue, "todo", String(id)));
    return id;
  }

  path(directory: string, id: number): string {
    return join(this.queue, directory, String(id % split), String(id));
  }

  trigger(): void {
    process.env.QMAILHOME = this.scratch.path;
    pullTrigger();
  }

  /** `deaf`: nobody reads what qmail-lspawn is told, though its reports go on. */
  start(limits = [120, 120], env: Record<string, string> = {}, deaf = false): void {
    const pipes = Array.from({ length: 7 }, () => pipe());
    const its = pipes.map(([read, write], fd) => ([2, 4, 6].includes(fd) ? read : write));
    const mine = pipes.map(([read, write], fd) => ([2, 4, 6].includes(fd) ? write : read));
    this.child = Bun.spawn([join(bin, "qmail-send")], {
      stdio: its as unknown as ["ignore", "ignore", "ignore"],
      env: { QMAILHOME: this.scratch.path, ...env },
    });
    for (const fd of its) closeSync(fd);
    this.#open = mine;
    const [
      log = -1,
      local = -1,
      localReports = -1,
      remote = -1,
      remoteReports = -1,
      clean = -1,
      answers = -1,
    ] = mine;
    writeSync(localReports, Buffer.of(limits[0] ?? 0));
    writeSync(remoteReports, Buffer.of(limits[1] ?? 0));
    this.#follow(log, (text) => {
      this.log += text;
      return "";
    });
    if (deaf) {
      closeSync(local);
      this.#open = mine.filter((fd) => fd !== local);
    }
    const told = [
      [local, localReports],
      [remote, remoteReports],
    ] as const;
    for (const [from, to] of deaf ? told.slice(1) : told)
      this.#follow(from, (text) => this.#commandsIn(text, to));
    this.#follow(clean, (text) => this.#clean(text, answers));
  }

  report({ fd, slot }: Command, text: string): void {
    writeSync(fd, Buffer.concat([Buffer.of(slot), Buffer.from(`${text}\0`)]));
  }

  async logged(words: string | RegExp): Promise<void> {
    const end = Date.now() + patience * 1000;
    while (typeof words === "string" ? !this.log.includes(words) : !words.test(this.log)) {
      if (Date.now() > end) throw new Error(`not logged: ${words}\n${this.log.slice(-2000)}`);
      await Bun.sleep(5);
    }
  }

  async ended(): Promise<number | null> {
    await this.child?.exited;
    await Bun.sleep(10);
    return this.child?.exitCode ?? null;
  }

  async stop(): Promise<number | null> {
    this.child?.kill("SIGTERM");
    return this.ended();
  }

  /** Files in the queue, but for lock. */
  left(): string[] {
    return readdirSync(this.queue, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !entry.parentPath.endsWith("/lock"))
      .map((entry) => join(entry.parentPath, entry.name).slice(this.queue.length + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child?.kill("SIGKILL");
    await this.child?.exited;
    for (const fd of this.#open) closeSync(fd);
    this.scratch[Symbol.dispose]();
  }

  async #follow(fd: number, take: (text: string) => string): Promise<void> {
    let rest = "";
    for await (const bytes of Bun.file(fd).stream())
      rest = take(rest + Buffer.from(bytes).toString("latin1"));
  }

  #commandsIn(text: string, fd: number): string {
    let rest = text;
    for (let match = commandShape.exec(rest); match !== null; match = commandShape.exec(rest)) {
      const command = { fd, slot: match[1]?.charCodeAt(0) ?? 0, recipient: match[2] ?? "" };
      rest = rest.slice(match[0].length);
      this.commands.push(command);
      this.deliver(command);
    }
    return rest;
  }

  #clean(text: string, answers: number): string {
    const requests = text.split("\0");
    this.requests.push(...requests.slice(0, -1));
    for (const request of requests.slice(0, -1)) {
      const id = Number(request.slice(5));
      rmSync(join(this.queue, "intd", String(id)), { force: true });
      rmSync(request.startsWith("foop") ? this.path("mess", id) : join(this.queue, "todo", String(id)), {
        force: true,
      });
      writeSync(answers, "+");
    }
    return requests.at(-1) ?? "";
  }
}

const commandShape = /^([\s\S])[^\0]*\0[^\0]*\0([^\0]*)\0/;

afterEach(() => {
  delete process.env.QMAILHOME;
});

describe("what it cannot start without", () => {
  const rows: readonly (readonly [string, (mail: Mail) => void, string])[] = [
    [
      "a home",
      (mail) => rmSync(mail.scratch.path, { recursive: true }),
      "unable to switch to home directory",
    ],
    ["a queue", (mail) => rmSync(mail.queue, { recursive: true }), "unable to switch to queue directory"],
    [
      "control/me",
      (mail) => rmSync(mail.scratch.in("control"), { recursive: true }),
      "unable to read controls",
    ],
    ["its lock file", (mail) => rmSync(join(mail.queue, "lock/sendmutex")), "unable to open mutex"],
  ];
  for (const [about, spoil, words] of rows)
    test(about, async () => {
      await using mail = new Mail();
      spoil(mail);
      mail.start();
      await mail.logged(`alert: cannot start: ${words}\n`);
      expect(await mail.ended()).toBe(111);
    });

  test("a queue of its own", async () => {
    await using mail = new Mail();
    mail.start();
    await mail.logged("status:");
    const log = mail.scratch.in("second-log");
    const second = Bun.spawn([join(bin, "qmail-send")], {
      stdio: [openSync(log, "w"), "ignore", "ignore"],
      env: { QMAILHOME: mail.scratch.path },
    });
    expect(await second.exited).toBe(111);
    expect(readFileSync(log, "utf8")).toBe("alert: cannot start: qmail-send is already running\n");
  });

  test("spawners", async () => {
    await using mail = new Mail();
    const log = mail.scratch.in("log");
    const child = Bun.spawn([join(bin, "qmail-send")], {
      stdio: [openSync(log, "w"), "ignore", "ignore"],
      env: { QMAILHOME: mail.scratch.path },
    });
    expect(await child.exited).toBe(111);
    expect(readFileSync(log, "utf8")).toBe("alert: cannot start: hath the daemon spawn no fire?\n");
  });
});

test("the trigger wakes it, and a message goes through", async () => {
  await using mail = new Mail();
  mail.start();
  await mail.logged("status: local 0/10 remote 0/20\n");
  const id = mail.submit(["joe@here.example", "ann@there.example"]);
  mail.trigger();
  await mail.logged(`end msg ${id}\n`);
  expect(await mail.stop()).toBe(0);
  expect(mail.left()).toEqual([]);
});

test("killed between delivery and report: only what was not done is tried again", async () => {
  await using mail = new Mail();
  mail.deliver = (command) => {
    if (command.recipient.startsWith("done")) mail.report(command, "K");
  };
  const id = mail.submit(["done1@here.example", "open@here.example", "done2@here.example"]);
  mail.start();
  await mail.logged(/(success[\s\S]*){2}/);
  mail.child?.kill("SIGKILL");
  await mail.ended();
  expect(readFileSync(mail.path("local", id), "utf8")).toBe(
    "Ddone1@here.example\0Topen@here.example\0Ddone2@here.example\0",
  );
  mail.commands = [];
  mail.log = "";
  mail.deliver = (command) => mail.report(command, "K");
  mail.start();
  await mail.logged(`end msg ${id}\n`);
  expect(mail.commands.map(({ recipient }) => recipient)).toEqual(["open@here.example"]);
});

/** A qmail-send whose qmail-clean has shown that it removes: from then on messages are tried straight from todo. */
async function warm(mail: Mail, env: Record<string, string> = {}): Promise<void> {
  const id = mail.submit(["warm@here.example"]);
  mail.start([120, 120], env);
  await mail.logged(`end msg ${id}\n`);
  // It is asked for after the line in the log, by who does not do it himself.
  while (env.QMAILSENDCLEANS === undefined && !mail.requests.includes(`foop/${id}`)) await Bun.sleep(5);
  mail.commands = [];
  mail.log = "";
  mail.requests = [];
}

test("straight from todo: no file is made, and the queue is empty at once", async () => {
  await using mail = new Mail();
  await warm(mail);
  const seen: string[] = [];
  mail.deliver = (command) => {
    seen.push(...mail.left());
    mail.report(command, "K");
  };
  const id = mail.submit(["joe@here.example"]);
  mail.trigger();
  await mail.logged(`end msg ${id}\n`);
  expect(await mail.stop()).toBe(0);
  expect(seen.sort()).toEqual([`intd/${id}`, `mess/${id % split}/${id}`, `todo/${id}`]);
  expect(mail.requests).toEqual([`todo/${id}`, `foop/${id}`]);
  expect(mail.left()).toEqual([]);
});

test("killed during first attempts, a second after one was done: only the other is tried again", async () => {
  await using mail = new Mail();
  await warm(mail);
  mail.deliver = (command) => {
    if (command.recipient.startsWith("done")) mail.report(command, "K");
  };
  const id = mail.submit(["done@here.example", "open@here.example"]);
  mail.trigger();
  await mail.logged("success");
  const until = Date.now() + patience * 1000;
  while (mail.left().includes(`todo/${id}`) && Date.now() < until) await Bun.sleep(20);
  mail.child?.kill("SIGKILL");
  await mail.ended();
  expect(readFileSync(mail.path("local", id), "utf8")).toBe("Ddone@here.example\0Topen@here.example\0");
  mail.commands = [];
  mail.deliver = (command) => mail.report(command, "K");
  mail.start();
  await mail.logged(`end msg ${id}\n`);
  expect(mail.commands.map(({ recipient }) => recipient)).toEqual(["open@here.example"]);
});

test("told so, it removes by itself what it would ask qmail-clean for", async () => {
  await using mail = new Mail();
  await warm(mail, { QMAILSENDCLEANS: "1" });
  const straight = mail.submit(["joe@here.example"]);
  mail.trigger();
  await mail.logged(`end msg ${straight}\n`);
  mail.deliver = (command) => mail.report(command, command.recipient.startsWith("joe") ? "K" : "Znot now");
  const deferred = mail.submit(["joe@here.example", "ann@here.example"]);
  mail.trigger();
  await mail.logged("deferral");
  expect(await mail.stop()).toBe(0);
  expect(mail.requests).toEqual([]);
  expect(mail.left().sort()).toEqual(
    ["info", "local", "mess"].map((directory) => `${directory}/${deferred % split}/${deferred}`),
  );
});

test("a spawner that hears nothing any more, but keeps its reports open, ends it at once", async () => {
  await using mail = new Mail();
  // A message that waits for its next attempt: nothing else happens that might wake qmail-send.
  const id = 30;
  mail.scratch.write(`queue/mess/${id % split}/${id}`, "Subject: x\n\n");
  mail.scratch.write(`queue/info/${id % split}/${id}`, "Fs@there.example\0");
  mail.scratch.write(`queue/local/${id % split}/${id}`, "Tjoe@here.example\0");
  mail.start([120, 120], {}, true);
  await mail.logged("status: exiting\n");
  expect(mail.log).toContain("alert: oh no! lost spawn connection! dying...\n");
  expect(await mail.ended()).toBe(0);
});

test("TERM: the next attempt is kept in the time of the recipient list", async () => {
  await using mail = new Mail();
  mail.deliver = (command) => mail.report(command, "Znot now");
  const id = mail.submit(["joe@here.example"]);
  mail.start();
  await mail.logged("deferral: not_now\nstatus: local 0/10");
  expect(await mail.stop()).toBe(0);
  const birth = Math.floor(statSync(mail.path("info", id)).mtimeMs / 1000);
  const next = Math.floor(statSync(mail.path("local", id)).mtimeMs / 1000);
  expect([100, 121]).toContain(next - birth);
});

test("HUP with an unreadable file: it says so and goes on with what it knew", async () => {
  await using mail = new Mail();
  mail.control("virtualdomains", "virt.example:v\n");
  mail.start();
  await mail.logged("status:");
  rmSync(mail.scratch.in("control/virtualdomains"));
  mkdirSync(mail.scratch.in("control/virtualdomains"));
  mail.child?.kill("SIGHUP");
  await mail.logged("alert: unable to reread control/virtualdomains\n");
  mail.submit(["joe@virt.example"]);
  mail.trigger();
  await mail.logged("to local v-joe@virt.example\n");
});

test("names that are no messages are nobody's business", async () => {
  await using mail = new Mail();
  const odd = ["x", "-1", "007", "0", "1.5", "1 ", "99999999999999999999999", ".hidden", "\u00e9"];
  for (const name of odd) {
    writeFileSync(join(mail.queue, "todo", name), "junk");
    mkdirSync(join(mail.queue, "info/3", name), { recursive: true });
    writeFileSync(join(mail.queue, "mess/3", name), "junk");
  }
  const before = mail.left().length;
  mkdirSync(join(mail.queue, "todo/77"));
  mkdirSync(mail.path("info", 26));
  makeFifo(join(mail.queue, "todo/78"), 0o600);
  symlinkSync("nowhere", join(mail.queue, "todo/79"));
  for (const id of [77, 78, 79]) writeFileSync(mail.path("mess", id), "");
  const id = mail.submit(["joe@here.example"]);
  mail.start();
  await mail.logged(`end msg ${id}\n`);
  expect(mail.log).toContain("warning: trouble reading todo/77\n");
  expect(mail.log).toContain("warning: unable to open todo/79\n");
  expect(await mail.stop()).toBe(0);
  expect(mail.left().filter((path) => odd.includes(path.replace(/.*\//, ""))).length).toBe(before);
});

test("a spawner that reads nothing for a while holds up nobody, and hears everything in the end", async () => {
  await using mail = new Mail();
  mail.control("concurrencylocal", "255\n");
  const held: Command[] = [];
  mail.deliver = (command) => {
    if (command.recipient.endsWith("@here.example") && held.length === 0) {
      held.push(command);
      // The pipe fills up while this test sits on its hands.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
      mail.report(command, "K");
      return;
    }
    mail.report(command, "K");
  };
  const recipients = Array.from({ length: 300 }, (_, index) => `${"x".repeat(900)}${index}@here.example`);
  const id = mail.submit(recipients);
  mail.start([255, 20]);
  await mail.logged(`end msg ${id}\n`);
  expect(mail.commands.length).toBe(300);
  expect(new Set(mail.commands.map(({ recipient }) => recipient)).size).toBe(300);
});

test("a spawner that never answers does not keep the other channel's mail", async () => {
  await using mail = new Mail();
  mail.deliver = (command) => {
    if (command.recipient.endsWith("@there.example")) mail.report(command, "K");
  };
  for (let index = 0; index < 30; index++) mail.submit([`a${index}@here.example`]);
  const id = mail.submit(["b@there.example"]);
  mail.start();
  await mail.logged(`end msg ${id}\n`);
  expect(mail.log).toContain("status: local 10/10");
});

test("nobody reads the log: mail goes on", async () => {
  await using mail = new Mail();
  const pipes = Array.from({ length: 7 }, () => pipe());
  for (const fd of pipes[0] ?? []) closeSync(fd);
  const id = mail.submit(["joe@here.example"]);
  const [closedRead, closedWrite] = pipe();
  closeSync(closedRead);
  const its = pipes.map(([read, write], fd) =>
    fd === 0 ? closedWrite : [2, 4, 6].includes(fd) ? read : write,
  );
  writeSync(pipes[2]?.[1] ?? -1, Buffer.of(10));
  writeSync(pipes[4]?.[1] ?? -1, Buffer.of(10));
  writeSync(pipes[6]?.[1] ?? -1, "+");
  const child = Bun.spawn([join(bin, "qmail-send")], {
    stdio: its as unknown as ["ignore", "ignore", "ignore"],
    env: { QMAILHOME: mail.scratch.path },
  });
  const stream = Bun.file(pipes[5]?.[0] ?? -1)
    .stream()
    .getReader();
  const { value } = await stream.read();
  expect(Buffer.from(value ?? []).toString()).toBe(`todo/${id}\0`);
  child.kill("SIGKILL");
  await child.exited;
  await stream.cancel();
});

test("a bounce waits for a queue program that works", async () => {
  await using mail = new Mail();
  mail.deliver = (command) => mail.report(command, "Dno such user\n");
  const id = mail.submit(["joe@here.example"], "Subject: y\n\nbody\n");
  const program = mail.scratch.queueProgram(53);
  mail.start([120, 120], { QMAILQUEUE: program });
  await mail.logged("warning: trouble injecting bounce message, will try later\n");
  expect(mail.left().sort()).toEqual([
    `bounce/${id}`,
    `info/${id % split}/${id}`,
    `mess/${id % split}/${id}`,
  ]);
  expect(await mail.stop()).toBe(0);
  mail.log = "";
  mail.start([120, 120], { QMAILQUEUE: mail.scratch.queueProgram(0) });
  await mail.logged(`end msg ${id}\n`);
  expect(mail.log).toMatch(new RegExp(`bounce msg ${id} qp \\d+\n`));
  expect(mail.scratch.read("queued-envelope")).toBe("F\0Ts@there.example\0\0");
  expect(mail.scratch.read("queued-message")).toEndWith(
    "<joe@here.example>:\nno such user\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <s@there.example>\nSubject: y\n\nbody\n",
  );
});

// Root can search everything.
test.skipIf(process.geteuid?.() === 0)(
  "a directory that cannot be searched is reported, not fatal",
  async () => {
    await using mail = new Mail();
    chmodSync(join(mail.queue, "todo"), 0);
    mail.start();
    await mail.logged("alert: unable to opendir todo, sleeping...\n");
    chmodSync(join(mail.queue, "todo"), 0o700);
    expect(await mail.stop()).toBe(0);
  },
);
