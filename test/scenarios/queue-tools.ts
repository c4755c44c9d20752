/**
 * The queue tools while qmail-send works: thousands of messages wait for a host that defers most of what it is offered,
 * and four processes at a time hold, release, retry and remove them in random order. In the end every message has been
 * delivered once, or is held, or was removed, as asked. With kills, all daemons are killed again and again meanwhile;
 * then a delivery whose report nobody heard may be repeated, but nothing else changes.
 *
 *   bun test/scenarios/queue-tools.ts [--messages 5000] [--seconds 60] [--kills 0] [--seed 1]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodeRequest } from "../../src/core/queue/resident-words.ts";
import { PrivateHome, until } from "../helpers/home.ts";

export interface Plan {
  messages: number;
  seconds: number;
  kills: number;
  seed: number;
}

/** What became of the messages. */
export interface Tally {
  messages: number;
  /** Calls of the tools, and what was asked for single messages in them, by verb. */
  calls: number;
  asked: Readonly<Record<Verb, number>>;
  /** Attempts that the host saw while the tools were at work. */
  attempts: number;
  /** Delivered, and neither held nor removed: the three are all messages. With kills, a held one may have come, too. */
  delivered: number;
  /** Held at the end, and removed, as asked. */
  held: number;
  removed: number;
  /** Of the removed, those that the attempt under way still delivered. */
  removedLate: number;
  /** What must not be: */
  lost: number[];
  twice: number[];
  /** Removed, but in the queue; or delivered by an attempt that began after the removal. */
  removedInVain: number[];
  /** Held, but tried; or released, but still held. */
  heldInVain: number[];
  releasedInVain: number[];
  troubles: string[];
}

type Verb = "hold" | "release" | "retry" | "remove";

const verbs: readonly Verb[] = ["hold", "release", "retry", "remove"];
const lanes = 4;
const drainSeconds = 600;
const numberIn = /r(\d+)@sink\.example/;

/** Numbers from 0 up to 1 that a seed determines (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A host that takes its time, and takes a message with some probability. */
class Sink {
  chance = 0;
  /** Deliveries and attempts of each message, with their times. */
  readonly delivered = new Map<number, number[]>();
  readonly tried = new Map<number, number>();
  attempts = 0;
  readonly #random: () => number;
  readonly #server: Server;

  constructor(random: () => number) {
    this.#random = random;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the host has no port");
    return address.port;
  }

  close(): void {
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let pending = "";
    let current = -1;
    let receiving = false;
    socket.on("error", () => socket.destroy());
    socket.write("220 sink.example\r\n");
    socket.on("data", (data) => {
      pending += data.toString("latin1");
      for (let end = pending.indexOf("\r\n"); end >= 0; end = pending.indexOf("\r\n")) {
        const line = pending.slice(0, end);
        pending = pending.slice(end + 2);
        if (receiving) {
          if (line !== ".") continue;
          receiving = false;
          this.delivered.set(current, [...(this.delivered.get(current) ?? []), Date.now()]);
          socket.write("250 kept\r\n");
        } else if (/^RCPT/i.test(line)) {
          current = Number(numberIn.exec(line)?.[1] ?? -1);
          this.attempts++;
          this.tried.set(current, Date.now());
          const answer = this.#random() < this.chance ? "250 ok\r\n" : "451 not now\r\n";
          setTimeout(() => socket.write(answer), this.#random() * 60);
        } else if (/^DATA/i.test(line)) {
          receiving = true;
          socket.write("354 go on\r\n");
        } else if (/^QUIT/i.test(line)) {
          socket.end("221 bye\r\n");
        } else {
          socket.write("250 ok\r\n");
        }
      }
    });
  }
}

/** What a message's owner knows about it: every answer that was given. */
interface Asked {
  id: string;
  /** The lane that holds and releases it. */
  lane: number;
  held: boolean;
  heldSince: number;
  removedAt: number | undefined;
  /** When a removal was answered with `gone`: somebody was killed in the middle of it, and the next found it done. */
  goneAt: number | undefined;
}

/** Does it. */
export async function workTheQueue(plan: Plan): Promise<Tally> {
  const random = randomFrom(plan.seed);
  const sink = new Sink(random);
  const home = new PrivateHome();
  try {
    const port = await sink.listen();
    writeFileSync(join(home.path, "control/smtproutes"), `:127.0.0.1:${port}\n`);
    writeFileSync(join(home.path, "control/concurrencyremote"), "40\n");
    const daemons = { group: home.start() };
    await injectAll(home, plan.messages);
    const all = () => [...sink.tried.keys()].length >= plan.messages;
    if (!(await until(drainSeconds, all))) throw new Error("not every message was tried once");
    const asked = await numbered(home);
    if (asked.size !== plan.messages) throw new Error(`${asked.size} messages are in the queue`);
    const before = sink.attempts;
    sink.chance = 0.15;
    const work = new Work(home, asked, random, Date.now() + plan.seconds * 1000);
    const killing = killAll(home, daemons, plan, random);
    await Promise.all(Array.from({ length: lanes }, (_, lane) => work.lane(lane)));
    await killing;
    const attempts = sink.attempts - before;
    return { ...work.counts(), attempts, ...(await judge(home, sink, asked, plan)), troubles: work.troubles };
  } finally {
    sink.close();
    await home.remove();
  }
}

/** Queues them all by one resident qmail-queue. */
async function injectAll(home: PrivateHome, messages: number): Promise<void> {
  const bytes = (text: string): Buffer => Buffer.from(text);
  const requests = Array.from({ length: messages }, (_, number) =>
    Buffer.concat(
      encodeRequest({
        message: [bytes(`Subject: number ${number}\n\nHello.\n`)],
        sender: bytes("owner@test.example"),
        recipients: [bytes(`r${number}@sink.example`)],
      }),
    ),
  );
  const child = Bun.spawn([home.program("qmail-queue"), "--resident"], {
    stdio: [new Blob(requests), "pipe", "inherit"],
    env: home.environment,
  });
  const answers = await new Response(child.stdout).text();
  await child.exited;
  const taken = answers.match(/:K/g)?.length ?? 0;
  if (taken !== messages) throw new Error(`${taken} of ${messages} messages were taken`);
}

interface Listed {
  id: string;
  state: string;
  recipients: { address: string }[];
}

/** Runs `qmail queue`, while the host goes on. */
async function tool(home: PrivateHome, ...words: string[]): Promise<string> {
  const child = Bun.spawn([home.program("qmail"), "queue", ...words], {
    stdio: ["ignore", "pipe", "inherit"],
    env: home.environment,
  });
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`qmail queue ${words.join(" ")}: ${output}`);
  return output;
}

async function list(home: PrivateHome): Promise<Listed[]> {
  const lines = (await tool(home, "list", "--json")).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Looks at the list twice a second until it is so; false after `seconds`. */
async function listed(
  home: PrivateHome,
  seconds: number,
  isSo: (message: Listed) => boolean,
): Promise<boolean> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await Bun.sleep(500))
    if ((await list(home)).every(isSo)) return true;
  return false;
}

const numberOf = ({ recipients }: Listed): number =>
  Number(numberIn.exec(recipients[0]?.address ?? "")?.[1] ?? -1);

async function numbered(home: PrivateHome): Promise<Map<number, Asked>> {
  return new Map(
    (await list(home)).map((message) => {
      const number = numberOf(message);
      const asked = {
        id: message.id,
        lane: number % lanes,
        held: false,
        heldSince: 0,
        removedAt: undefined,
        goneAt: undefined,
      };
      return [number, asked];
    }),
  );
}

/** The four who give orders. */
class Work {
  calls = 0;
  readonly troubles: string[] = [];
  readonly #asked: Record<Verb, number> = { hold: 0, release: 0, retry: 0, remove: 0 };
  readonly #home: PrivateHome;
  readonly #messages: Map<number, Asked>;
  readonly #random: () => number;
  readonly #end: number;

  constructor(home: PrivateHome, messages: Map<number, Asked>, random: () => number, end: number) {
    this.#home = home;
    this.#messages = messages;
    this.#random = random;
    this.#end = end;
  }

  counts(): Pick<Tally, "messages" | "calls" | "asked"> {
    return { messages: this.#messages.size, calls: this.calls, asked: this.#asked };
  }

  /** One after the other, until the time is over. Its own messages it holds and releases, any it retries and removes. */
  async lane(lane: number): Promise<void> {
    while (Date.now() < this.#end) {
      const verb = this.#verb();
      const own = verb === "hold" || verb === "release";
      const numbers = this.#choose(verb === "remove" ? 3 : 60).filter(
        (number) => !own || this.#messages.get(number)?.lane === lane,
      );
      if (numbers.length > 0) await this.#order(verb, numbers);
    }
  }

  #verb(): Verb {
    const roll = this.#random();
    return roll < 0.35 ? "hold" : roll < 0.65 ? "release" : roll < 0.9 ? "retry" : "remove";
  }

  #choose(most: number): number[] {
    const count = 1 + Math.floor(this.#random() * most);
    const numbers = Array.from({ length: count }, () => Math.floor(this.#random() * this.#messages.size));
    return [...new Set(numbers)];
  }

  async #order(verb: Verb, numbers: readonly number[]): Promise<void> {
    const chosen = new Map(
      numbers.flatMap((number) => {
        const message = this.#messages.get(number);
        // Another message may have the number of one that is gone, but none is queued here.
        return message === undefined ? [] : [[message.id, message] as const];
      }),
    );
    this.calls++;
    this.#asked[verb] += chosen.size;
    const child = Bun.spawn([this.#home.program("qmail"), "queue", verb, "--json", ...chosen.keys()], {
      stdio: ["ignore", "pipe", "pipe"],
      env: this.#home.environment,
    });
    const [output, complaint] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    const code = await child.exited;
    if (code !== 0 && code !== 100)
      this.troubles.push(`${verb}: ${code} ${complaint.trim()} ${output.slice(0, 500)}`);
    for (const line of output.split("\n").filter((one) => one !== "")) {
      const { id, outcome } = JSON.parse(line) as { id: string; outcome: string };
      const message = chosen.get(id);
      if (message !== undefined) note(message, verb, outcome);
    }
  }
}

/** What an answer says about a message from now on. */
function note(message: Asked, verb: Verb, outcome: string): void {
  const does = outcome === "done" || outcome === "later" || outcome === "same";
  if (verb === "remove" && (outcome === "done" || outcome === "later")) message.removedAt ??= Date.now();
  if (verb === "remove" && outcome === "gone") message.goneAt ??= Date.now();
  if (verb === "hold" && does && !message.held) Object.assign(message, { held: true, heldSince: Date.now() });
  if (verb === "release" && does) message.held = false;
}

/** Kills all daemons at once, again and again, and starts them. */
async function killAll(
  home: PrivateHome,
  daemons: { group: ReturnType<PrivateHome["start"]> },
  { kills, seconds }: Plan,
  random: () => number,
): Promise<void> {
  for (let count = 0; count < kills; count++) {
    await Bun.sleep((random() * 2 * seconds * 900) / (kills + 1));
    await daemons.group.kill();
    await Bun.sleep(random() * 100);
    daemons.group = home.start();
  }
}

const log = (home: PrivateHome): string => readFileSync(join(home.path, "log"), "latin1");

/** Whether the log says that nothing is under way. */
const isIdle = (home: PrivateHome): boolean =>
  /^status: local 0\/\d+ remote 0\//.test(
    log(home)
      .split("\n")
      .findLast((line) => line.startsWith("status: ")) ?? "",
  );

/** What the log says of a message, for whoever wants to know why. */
function story(home: PrivateHome, id: string): string {
  const lines = log(home).split("\n");
  const own = lines.filter((line) => line.includes(`msg ${id} `) || line.endsWith(`msg ${id}`));
  const deliveries = own.flatMap((line) => /^starting (delivery \d+:)/.exec(line)?.[1] ?? []);
  const isOf = (line: string): boolean => deliveries.some((delivery) => line.startsWith(delivery));
  return lines.filter((line) => own.includes(line) || isOf(line)).join("\n");
}

/** Longest time in milliseconds that an attempt under way goes on after an answer. */
const attemptTime = 5000;

type Judgement = Omit<Tally, "messages" | "calls" | "asked" | "attempts" | "troubles">;

/** Lets everything that may go out go out, and compares with what was asked. */
async function judge(
  home: PrivateHome,
  sink: Sink,
  asked: Map<number, Asked>,
  plan: Plan,
): Promise<Judgement> {
  sink.chance = 1;
  await listed(home, 30, ({ state }) => state !== "removing");
  let drained = false;
  for (const end = Date.now() + drainSeconds * 1000; !drained && Date.now() < end; ) {
    await tool(home, "retry", "--state", "waiting");
    drained = await listed(home, 10, ({ state }) => state === "held");
  }
  if (!drained) throw new Error(`not drained: ${JSON.stringify((await list(home)).slice(0, 5))}`);
  // What was under way when it was held may still be delivered, and is not held then.
  if (!(await until(attemptTime / 1000, () => isIdle(home)))) throw new Error("an attempt never ends");
  const held = new Set((await list(home)).map(numberOf));
  const numbers = [...asked.keys()];
  const of = (number: number): Asked => asked.get(number) as Asked; // each number of the map
  const deliveries = (number: number): number => sink.delivered.get(number)?.length ?? 0;
  // Without kills, nobody finds a removal of somebody else's half done.
  for (const number of numbers)
    if (plan.kills > 0 && deliveries(number) === 0 && !held.has(number))
      of(number).removedAt ??= of(number).goneAt;
  const removed = numbers.filter((number) => of(number).removedAt !== undefined);
  const lastDelivery = (number: number): number => Math.max(0, ...(sink.delivered.get(number) ?? []));
  const result = {
    delivered: numbers.filter(
      (number) => deliveries(number) > 0 && !held.has(number) && of(number).removedAt === undefined,
    ).length,
    held: held.size,
    removed: removed.length,
    removedLate: removed.filter((number) => deliveries(number) > 0).length,
    lost: numbers.filter(
      (number) => deliveries(number) === 0 && !held.has(number) && of(number).removedAt === undefined,
    ),
    twice: numbers.filter((number) => deliveries(number) + (held.has(number) ? 1 : 0) > 1),
    removedInVain: removed.filter(
      (number) => held.has(number) || lastDelivery(number) > (of(number).removedAt ?? 0) + attemptTime,
    ),
    heldInVain: numbers.filter((number) => {
      const { held: wanted, heldSince } = of(number);
      return wanted && !held.has(number) && lastDelivery(number) > heldSince + attemptTime;
    }),
    releasedInVain: [...held].filter((number) => !of(number).held),
  };
  for (const number of plan.kills > 0 ? [] : result.twice)
    console.error(`twice ${number}, held ${held.has(number)}:\n${story(home, of(number).id)}`);
  // What was held is whole: it goes out once it may.
  await tool(home, "release", "--all");
  if (!(await listed(home, drainSeconds, () => false))) throw new Error("not all of the held went out");
  const late = [...held].filter((number) => deliveries(number) === 0);
  return { ...result, lost: [...result.lost, ...late], twice: plan.kills > 0 ? [] : result.twice };
}

if (import.meta.main) {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    options: { messages: text("5000"), seconds: text("60"), kills: text("0"), seed: text("1") },
  });
  const plan = {
    messages: Number(values.messages),
    seconds: Number(values.seconds),
    kills: Number(values.kills),
    seed: Number(values.seed),
  };
  const tally = await workTheQueue(plan);
  console.log(
    `${plan.messages} messages, ${lanes} processes for ${plan.seconds} s, ${plan.kills} kills, seed ${plan.seed}`,
  );
  console.log(
    `calls ${tally.calls}; messages named: ${verbs.map((verb) => `${verb} ${tally.asked[verb]}`).join(", ")}`,
  );
  console.log(`attempts meanwhile ${tally.attempts}`);
  for (const key of ["delivered", "held", "removed", "removedLate"] as const)
    console.log(`${key} ${tally[key]}`);
  for (const key of ["lost", "twice", "removedInVain", "heldInVain", "releasedInVain", "troubles"] as const)
    console.log(`${key} ${tally[key].length} ${tally[key].slice(0, 5).join(" ")}`);
  process.exitCode = ["lost", "twice", "removedInVain", "heldInVain", "releasedInVain", "troubles"].some(
    (key) => tally[key as "lost"].length > 0,
  )
    ? 1
    : 0;
}
