/** A large queue: what a message costs while it is there and out of it, in time and memory, and how soon deliveries begin. */
import { join } from "node:path";
import { type Bench, type Figures, logTails, reaches, type Workload } from "../bench.ts";
import { clear, tool } from "../ground.ts";
import { type Peer, relayPort, type System, Unable, until } from "../peers/peer.ts";
import { withSink } from "./common.ts";

const setup = { kind: "ext4", relay: relayPort } as const;
/** Messages of the queue that the large one is compared with; as many are delivered out of each. */
const few = 1000;
/** Messages that pass while the queue waits: more, as their cost is small. */
const passing = 3000;
/** Seconds until what was put into the queue is due. Not later than qmail-send itself would say: it does not believe that. */
const later = 5 * 3600;

const send = ({ smtpPort: port }: System, { tools }: Bench, messages: number, to: string): Promise<void> =>
  tools.send({ port, sessions: 20, messages, size: 1000, to });

function processor(system: System): number {
  const { user, system: kernel } = system.group.processor();
  return (user + kernel) * 1000;
}

/** Sends messages that go to another host at once, past what waits; processor milliseconds of one. */
async function pass(system: System, bench: Bench, messages: number, count: () => number): Promise<number> {
  const [before, had] = [processor(system), count()];
  await send(system, bench, messages, "joe@elsewhere.example");
  await reaches("messages that pass", messages, () => count() - had);
  await system.group.rest(60);
  return (processor(system) - before) / messages;
}

/** Puts so many more into the queue, as files. */
async function fill(queue: string, messages: number): Promise<void> {
  const fillers = [Math.ceil(messages / 2), Math.floor(messages / 2)].map((count, part) => {
    const words = [queue, `${count}`, `${part}`, "joe@waiting.example", `${later}`];
    return Bun.spawn([process.execPath, join(import.meta.dir, "../fill.ts"), ...words], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  });
  for (const filler of fillers)
    if ((await filler.exited) !== 0) throw new Error("bench: unable to fill the queue");
  tool("sync");
}

interface Costs {
  system: System;
  memory: number;
  passed: number;
  left: number;
}

/** What a queue of so many costs: memory at rest, and a message that passes; then what one costs that leaves it. */
async function costs(peer: Peer, bench: Bench, messages: number): Promise<Costs> {
  const [waiting, quick] = [messages > 0, bench.quick ? 1 / 5 : 1];
  return await withSink(bench, async (count) => {
    return await whileRunning(await peer.start({ ...setup, again: waiting }), async (system) => {
      await pass(system, bench, few * quick, count);
      // What a start leaves behind goes when the collector comes by.
      await Bun.sleep(5000);
      const memory = system.group.memory(system.manager);
      const passed = await pass(system, bench, passing * quick, count);
      const left = waiting ? await leave(system, count) : Number.NaN;
      // Nothing of it must come in between later.
      if (messages <= few) await until("the queue is empty", () => system.queued() === 0, 120);
      return { system, memory, passed, left };
    });
  });
}

/** Makes everything due, and waits for the first deliveries; processor milliseconds of one. */
async function leave(system: System, count: () => number): Promise<number> {
  const first = count();
  system.makeDue();
  const delivered = () => count() - first;
  await reachesAtLeast(few / 10, delivered);
  const [before, had] = [processor(system), delivered()];
  await reachesAtLeast(few - 50, delivered);
  return (processor(system) - before) / (delivered() - had);
}

/** Seconds from a start to the first delivery. */
async function restart(peer: Peer, bench: Bench): Promise<number> {
  return await withSink(bench, async (count) => {
    const begin = performance.now();
    return await whileRunning(await peer.start({ ...setup, again: true }), async () => {
      while (count() === 0 && performance.now() - begin < 600_000) await Bun.sleep(5);
      if (count() === 0) throw new Error("bench: no delivery in 600 s after the start");
      return (performance.now() - begin) / 1000;
    });
  });
}

async function round(peer: Peer, bench: Bench): Promise<Figures> {
  const total = Math.max(2 * few, bench.queueSize);
  try {
    const empty = await costs(peer, bench, 0);
    const { queueDirectory } = empty.system;
    if (queueDirectory === undefined) throw new Unable("its queue can not be filled with files");
    await fill(queueDirectory, few);
    const small = await costs(peer, bench, few);
    await fill(queueDirectory, total);
    const large = await costs(peer, bench, total);
    return {
      memory: (large.memory - empty.memory) / total,
      restart: await restart(peer, bench),
      passSmall: small.passed,
      passLarge: large.passed,
      passRatio: large.passed / small.passed,
      leaveSmall: small.left,
      leaveLarge: large.left,
      leaveRatio: large.left / small.left,
    };
  } finally {
    clear("ext4");
  }
}

async function whileRunning<Result>(
  system: System,
  work: (system: System) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(system);
  } catch (failure) {
    for (const line of logTails(system.directory)) console.error(line);
    throw failure;
  } finally {
    await system.stop();
  }
}

const reachesAtLeast = (wanted: number, count: () => number): Promise<void> =>
  reaches("deliveries of what waited", wanted, () => Math.min(wanted, count()));

const cost = { digits: 2, better: "less" } as const;

export const queue: Workload = {
  name: "queue",
  about: `a queue of ${few} messages, then of as many as --queue says, that wait for their time while ${passing} others pass by SMTP to smtp-sink; then they are due and leave. Processor time is that of the whole system. At last a start with all due`,
  rounds: 1,
  must: { peers: ["ours"] },
  figures: [
    {
      key: "memory",
      title: "memory (PSS) of qmail-send per queued message, bytes",
      digits: 0,
      better: "less",
    },
    { key: "restart", title: "start to first delivery, s", ...cost },
    { key: "passSmall", title: `a message that passes ${few}, processor ms`, ...cost },
    { key: "passLarge", title: "a message that passes the large one, processor ms", ...cost },
    { key: "passRatio", title: "the second of these to the first", ...cost },
    { key: "leaveSmall", title: `a message that leaves ${few}, processor ms`, ...cost },
    { key: "leaveLarge", title: "a message that leaves the large one, processor ms", ...cost },
    { key: "leaveRatio", title: "the second of these to the first", ...cost },
  ],
  round,
};
