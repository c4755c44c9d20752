/** The thread that flushes, in a server or a queue program that stays, dies: who waits for it, and what comes after. */
import { expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Group, readProcess, until } from "../helpers/home.ts";
import { separateQueueProgram } from "../helpers/queue-program.ts";
import { Bench, sender } from "./bench.ts";
import { portIn, SmtpSession } from "./load.ts";

/** So many deaths; tries to get a message to who takes mail in. */
const [rounds, attempts] = [3, 50];

const preload = `--preload ${join(import.meta.dir, "dying-thread.ts")}`;

/** A server; the process in it that takes mail in. */
class Server {
  readonly bench = new Bench();
  readonly #log = this.bench.beside("server.log");
  readonly #group: Group;
  readonly #word: string;
  #port: number | undefined;

  constructor(separate: boolean) {
    if (separate) separateQueueProgram(this.bench.program("qmail-queue"));
    this.#word = separate ? "--resident" : "--listen";
    const log = openSync(this.#log, "w");
    const environment = { ...this.bench.environment, BUN_OPTIONS: preload };
    const command = [this.bench.program("qmail-smtpd"), "--listen", "127.0.0.1:0"];
    this.#group = new Group(command, environment, log);
    closeSync(log);
  }

  async session(): Promise<SmtpSession> {
    this.#port ??= await portIn(this.#log);
    if (this.#port === undefined) throw new Error(`no server: ${this.log()}`);
    return await SmtpSession.open(this.#port);
  }

  log(): string {
    return readFileSync(this.#log, "latin1");
  }

  /** Who takes mail in. For a second after a queue program's end messages go another way. */
  async taker(session: SmtpSession): Promise<number> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const taken = await send(this, session);
      const [pid] = this.#group
        .processes()
        .filter((pid) => readProcess(pid, "cmdline")?.includes(this.#word) === true);
      if (taken && pid !== undefined && hasThread(pid)) return pid;
      await Bun.sleep(100);
    }
    throw new Error("nobody takes mail in");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group.kill();
    await this.bench.remove();
  }
}

/** Whether a process has the thread that flushes. */
const hasThread = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).some((thread) => readProcess(pid, `task/${thread}/comm`) === "Worker\n");

const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Sends a message, which is in the accounts. */
async function send({ bench }: Server, session: SmtpSession): Promise<boolean> {
  const { number } = bench.message("mailbox");
  const taken = await session.send(number);
  if (taken) bench.acknowledged(number);
  return taken;
}

for (const separate of [false, true]) {
  const where = separate ? "qmail-queue --resident" : "a server that takes mail in itself";

  test(`${where}: the thread dies while nobody waits for it, and the next message is taken`, async () => {
    await using server = new Server(separate);
    const session = await server.session();
    for (let round = 0; round < rounds; round++) {
      const pid = await server.taker(session);
      process.kill(pid, "SIGUSR1");
      expect(await until(10, () => !hasThread(pid))).toBe(true);
      // A queue program of its own ends with the message that finds it so, and says so.
      if (separate) expect(await send(server, session)).toBe(false);
    }
    expect(await send(server, session)).toBe(true);
    session.close();
    expect(await server.bench.settle()).toMatchObject({ complaints: [], duplicated: 0 });
  });

  test(`${where}: whose messages the thread had when it died are told to come again, and nobody hangs`, async () => {
    await using server = new Server(separate);
    const sessions = await Promise.all(Array.from({ length: 5 }, () => server.session()));
    const [first] = sessions;
    if (first === undefined) throw new Error("no session");
    for (let round = 0; round < rounds; round++) {
      process.kill(await server.taker(first), "SIGUSR2");
      const taken = await Promise.all(sessions.map((session) => send(server, session)));
      expect(taken).toContain(false);
    }
    // A queue program of its own ends with the message that finds it without its thread.
    await server.taker(first);
    for (const session of sessions) expect(await send(server, session)).toBe(true);
    for (const session of sessions) session.close();
    expect(await server.bench.settle()).toMatchObject({ complaints: [], duplicated: 0 });
  });
}

test("a spawner that delivers to Maildirs itself: what its thread had is deferred, and the next one comes", async () => {
  await using scope = new AsyncDisposableStack();
  const bench = scope.adopt(new Bench(), (made) => made.remove());
  const log = join(bench.path, "log");
  const file = openSync(log, "w");
  const environment = { ...bench.environment, BUN_OPTIONS: preload };
  const group = new Group([bench.program("qmail-start"), "./Maildir/"], environment, file);
  scope.defer(() => group.kill());
  closeSync(file);
  const spawner = (): number | undefined =>
    group.processes().find((pid) => readProcess(pid, "cmdline")?.includes("qmail-lspawn"));
  const deliver = async (ends: string): Promise<void> => {
    const before = readFileSync(log, "latin1").length;
    bench.run("qmail-inject", sender);
    expect(await until(30, () => readFileSync(log, "latin1").slice(before).includes(`: ${ends}: `))).toBe(
      true,
    );
  };
  await deliver("success");
  const pid = spawner() ?? 0;
  process.kill(pid, "SIGUSR2");
  await deliver("deferral");
  await deliver("success");
  group.signal("SIGALRM");
  expect(await until(30, () => bench.queued().length === 0)).toBe(true);
  expect(spawner()).toBe(pid);
  expect(bench.delivered().length).toBe(3);
});

test("a server whose thread dies again and again has no more descriptors than before", async () => {
  await using server = new Server(false);
  const session = await server.session();
  const pid = await server.taker(session);
  const before = descriptors(pid);
  for (let round = 0; round < rounds; round++) {
    process.kill(pid, "SIGUSR1");
    expect(await until(10, () => !hasThread(pid))).toBe(true);
    expect(await server.taker(session)).toBe(pid);
  }
  expect(descriptors(pid)).toBeLessThan(before + rounds - 1);
  session.close();
});
