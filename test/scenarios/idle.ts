/**
 * Idle SMTP connections on one server that stays: the memory they take, an honest client's transactions beside them, and
 * a client that sends a byte a second, which is cut.
 *
 *   bun test/scenarios/idle.ts [--connections 1000] [--transactions 50]
 */
import { parseArgs } from "node:util";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { Talk } from "../helpers/talk.ts";

export interface Idle {
  connections: number;
  /** Memory of the server (PSS) before and with them, in kB. */
  before: number;
  with: number;
  /** How long each transaction of the honest client took, from connecting to the answer after QUIT, in milliseconds. */
  transactions: number[];
  queued: number;
  /** How many of the idle connections answer afterwards. */
  alive: number;
  /** What the dribbling client was told last, and how many bytes it had sent. */
  dribbler: string;
  dribbled: number;
  log: string;
}

/** Seconds of patience for clients that come after the idle ones. */
const patience = 3;
/** Beyond what is awaited from anybody here. */
const long = 1200;

/** What an idle connection takes, in kB, and then some. */
const usual = 50;

/** Transactions before anything is measured: a program grows when it begins to work. */
const warming = 20;

/**
 * Its memory when the garbage of what it has just done is gone: the least of three seconds, or of thirty where it is more
 * than `expected`, since on a busy machine that may take a while.
 */
async function settled(server: Resident, expected: number): Promise<number> {
  let least = server.memory;
  for (let look = 0; look < (least > expected ? 100 : 10); look++) {
    await Bun.sleep(300);
    least = Math.min(least, server.memory);
  }
  return least;
}

/** Says HELO on as many connections, a hundred at a time. */
async function connectAll(port: number, count: number): Promise<Talk[]> {
  const talks: Talk[] = [];
  while (talks.length < count) {
    const some = Array.from({ length: Math.min(100, count - talks.length) }, () => new Talk(port));
    for (const talk of some) talk.say("HELO idle\r\n");
    await Promise.all(some.map((talk) => talk.hears("250 test.example\r\n")));
    talks.push(...some);
  }
  return talks;
}

/** A message, from connecting to QUIT, each command behind the answer to the one before. */
async function transaction(port: number): Promise<number> {
  const start = performance.now();
  using talk = new Talk(port);
  const steps: readonly (readonly [string, string])[] = [
    ["HELO honest\r\n", "220 "],
    ["MAIL FROM:<a@b>\r\n", "250 test.example\r\n"],
    ["RCPT TO:<joe@test.example>\r\n", "250 ok\r\n"],
    ["DATA\r\n", "250 ok\r\n250 ok\r\n"],
    ["Subject: x\r\n\r\nhi\r\n.\r\n", "354 "],
    ["QUIT\r\n", " qp "],
  ];
  for (const [say, when] of steps) {
    await heard(talk, when);
    talk.say(say);
  }
  await heard(talk, "221 ");
  return performance.now() - start;
}

/** Looks at every piece that comes, so that no waiting is measured that is our own. */
async function heard(talk: Talk, what: string): Promise<void> {
  while (!talk.text.includes(what)) {
    if (talk.over) throw new Error(`${what} did not come: ${talk.text}`);
    await new Promise((resolve) => {
      talk.socket.once("data", resolve);
      talk.socket.once("close", resolve);
    });
  }
}

/** Sends a byte a second until the server has had enough; not more than two minutes. */
async function dribble(port: number): Promise<[string, number]> {
  using talk = new Talk(port);
  let sent = 0;
  for (; !talk.over && sent < 120; sent++) {
    talk.say("x");
    await Promise.race([talk.ended, Bun.sleep(1000)]);
  }
  return [talk.text.split("\r\n").at(-2) ?? "", sent];
}

export async function idle(connections: number, transactions: number): Promise<Idle> {
  using home = new ServerHome();
  home.write("control/timeoutsmtpd", `${long}\n`);
  const options = ["--connections", String(connections + 10), "--backlog", "1024"];
  // A client needs one descriptor; the server keeps as many for its files.
  const through = ["/bin/sh", "-c", `ulimit -n ${2 * connections + 200}; exec "$@"`, "sh"];
  await using server = await Resident.start(home, { options, through });
  for (let count = 0; count < warming; count++) await transaction(server.port);
  home.empty();
  const before = await settled(server, Number.POSITIVE_INFINITY);
  const talks = await connectAll(server.port, connections);
  const full = await settled(server, before + usual * connections);
  // From now on clients have less patience to expect; those that are there keep theirs.
  home.write("control/timeoutsmtpd", `${patience}\n`);
  const dribbling = dribble(server.port);
  const times: number[] = [];
  for (let count = 0; count < transactions; count++) times.push(await transaction(server.port));
  const [dribbler, dribbled] = await dribbling;
  for (const talk of talks) talk.say("NOOP\r\n");
  const isAlive = (talk: Talk): boolean => talk.text.endsWith("250 test.example\r\n250 ok\r\n") && !talk.over;
  await until("idle clients are answered", () => talks.every((talk) => isAlive(talk) || talk.over));
  const alive = talks.filter(isAlive).length;
  for (const talk of talks) talk.socket.destroy();
  const queued = home.queued().length;
  return {
    ...{ connections, before, with: full, transactions: times, queued, alive, dribbler, dribbled },
    log: server.log,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      connections: { type: "string", default: "1000" },
      transactions: { type: "string", default: "50" },
    },
  });
  const seen = await idle(Number(values.connections), Number(values.transactions));
  const growth = (seen.with - seen.before) / seen.connections;
  const times = seen.transactions.toSorted((one, other) => one - other);
  console.log(`${seen.connections} idle connections: ${seen.before} kB before, ${seen.with} kB with them`);
  console.log(`${growth.toFixed(1)} kB a connection`);
  const median = times[times.length >> 1] ?? 0;
  console.log(
    `${times.length} transactions beside them: median ${median.toFixed(1)} ms, max ${times.at(-1)?.toFixed(1)} ms; ${seen.queued} queued`,
  );
  console.log(`a byte a second: "${seen.dribbler}" after ${seen.dribbled} bytes`);
  console.log(`${seen.alive} of ${seen.connections} idle connections answer afterwards`);
  process.exitCode = seen.alive === seen.connections && seen.queued === times.length ? 0 : 1;
}
