/**
 * kill -9 of all daemons at random moments while messages are injected and delivered. Afterwards every acknowledged
 * message must be in the Maildir at least once, whole, and the queue must be empty.
 *
 *   bun test/scenarios/kill.ts [--kills 200] [--messages 2000] [--seed N]
 */
import { readFileSync, utimesSync } from "node:fs";
import { parseArgs } from "node:util";
import { host, PrivateHome, until } from "../helpers/home.ts";

export interface Plan {
  kills: number;
  messages: number;
  seed: number;
}

/** What became of the messages. */
export interface Tally {
  acknowledged: number;
  /** Messages found in the Maildir at least once. */
  delivered: number;
  /** Copies beyond the first. */
  duplicated: number;
  /** Acknowledged, but nowhere. */
  lost: number;
  /** Copies that are not what was sent. */
  torn: number;
  /** Files of finished messages that a kill left in mess, and that qmail-send swept away when they were 36 hours old. */
  swept: number;
  /** Files left in the queue after all. */
  left: string[];
}

const lanes = 4;
const longestLife = 400;
const drainSeconds = 120;

/** Numbers from 0 up to 1 that a seed determines (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The body of message `number`: up to 20 kB that only this message has. */
export function bodyOf(number: number): string {
  const lines = Array.from(
    { length: (number * 7919) % 400 },
    (_, line) => `message ${number}, line ${line}: ${"x".repeat(number % 40)}`,
  );
  return [`number ${number}`, ...lines, `end of ${number}`, ""].join("\n");
}

/** Does it. */
export async function killDaemons(plan: Plan): Promise<Tally> {
  const home = new PrivateHome();
  try {
    const progress = { kills: 0 };
    const [acknowledged] = await Promise.all([
      injectAll(home, plan, progress),
      killAll(home, plan, progress),
    ]);
    await drain(home);
    const swept = await sweep(home);
    return { ...examine(home, acknowledged), swept, left: home.queued() };
  } finally {
    await home.remove();
  }
}

/** Starts and kills the daemons, again and again, each time after a random while. */
async function killAll(home: PrivateHome, plan: Plan, progress: { kills: number }): Promise<void> {
  const random = randomFrom(plan.seed);
  for (; progress.kills < plan.kills; progress.kills++) {
    const daemons = home.start();
    await Bun.sleep(random() * longestLife);
    await daemons.kill();
  }
}

/** Injects all messages, spread over the kills; returns the numbers of those that were acknowledged. */
async function injectAll(home: PrivateHome, plan: Plan, progress: { kills: number }): Promise<number[]> {
  const acknowledged: number[] = [];
  let next = 0;
  const lane = async () => {
    while (next < plan.messages) {
      const number = next++;
      while (number / plan.messages > (progress.kills + 1) / plan.kills) await Bun.sleep(5);
      if (await inject(home, number)) acknowledged.push(number);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return acknowledged;
}

async function inject(home: PrivateHome, number: number): Promise<boolean> {
  const child = Bun.spawn([home.program("qmail-inject"), `${home.user}@${host}`], {
    stdio: [new Blob([`Subject: ${number}\n\n${bodyOf(number)}`]), "ignore", "inherit"],
    env: home.environment,
  });
  return (await child.exited) === 0;
}

/** Lets everything that is still in the queue be delivered; what a kill made a deferral is tried again at once. */
async function drain(home: PrivateHome): Promise<void> {
  const daemons = home.start();
  for (let second = 0; second < drainSeconds; second++) {
    if (await home.drained(1)) break;
    daemons.signal("SIGALRM");
  }
  daemons.signal("SIGTERM");
  await daemons.ended();
}

/**
 * A kill between the removal of info/ID and that of mess/ID leaves the latter. It can not be told from a message that
 * qmail-queue just writes, so qmail-send removes it after 36 hours: they pass here by the files' times.
 */
async function sweep(home: PrivateHome): Promise<number> {
  const alone = home.queued();
  const then = Date.now() / 1000 - 37 * 3600;
  for (const path of alone) utimesSync(path, then, then);
  const daemons = home.start();
  await until(20, () => home.queued().length === 0);
  daemons.signal("SIGTERM");
  await daemons.ended();
  return alone.length - home.queued().length;
}

function examine(home: PrivateHome, acknowledged: readonly number[]): Omit<Tally, "left" | "swept"> {
  const copies = new Map<number, number>();
  let torn = 0;
  for (const path of home.delivered()) {
    const text = readFileSync(path, "latin1");
    const body = text.slice(text.indexOf("\n\n") + 2);
    const number = Number(/^number (\d+)\n/.exec(body)?.[1] ?? Number.NaN);
    if (body === bodyOf(number)) copies.set(number, (copies.get(number) ?? 0) + 1);
    else torn++;
  }
  const all = [...copies.values()].reduce((sum, count) => sum + count, 0);
  return {
    acknowledged: acknowledged.length,
    delivered: copies.size,
    duplicated: all - copies.size,
    lost: acknowledged.filter((number) => !copies.has(number)).length,
    torn,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "200" },
      messages: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
    },
  });
  const plan = { kills: Number(values.kills), messages: Number(values.messages), seed: Number(values.seed) };
  const start = Date.now();
  const tally = await killDaemons(plan);
  console.log(`kill -9 of all daemons ${plan.kills} times, ${plan.messages} messages, seed ${plan.seed}`);
  for (const key of ["acknowledged", "delivered", "duplicated", "lost", "torn", "swept"] as const)
    console.log(`${key} ${tally[key]}`);
  console.log(`left in the queue ${tally.left.length}`);
  for (const path of tally.left.slice(0, 20)) console.log(`  ${path}`);
  console.log(`seconds ${((Date.now() - start) / 1000).toFixed(1)}`);
  process.exitCode = tally.lost + tally.torn + tally.left.length > 0 ? 1 : 0;
}
