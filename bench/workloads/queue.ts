/** A queue that grows: what a message costs in time and memory, and how soon deliveries begin after a restart. */
import { type Bench, type Figures, reaches, type Workload, warmUp } from "../bench.ts";
import { clear } from "../ground.ts";
import { type Peer, relayPort, type System } from "../peers/peer.ts";
import { withSink } from "./common.ts";

const step = 1000;

/** Milliseconds a message that `count` messages take to be acknowledged. */
async function intake(system: System, { tools }: Bench, count: number): Promise<number> {
  const start = performance.now();
  const to = "joe@elsewhere.example";
  await tools.send({ port: system.smtpPort, sessions: 20, messages: count, size: 1000, to });
  return (performance.now() - start) / count;
}

async function round(peer: Peer, bench: Bench): Promise<Figures> {
  const total = Math.max(3 * step, bench.queueSize);
  const setup = { kind: "ext4", relay: relayPort } as const;
  try {
    const filled = await whileRunning(await peer.start({ ...setup, hold: true }), async (system) => {
      await warmUp(system, bench, 20);
      const before = system.group.memory(system.manager);
      const first = await intake(system, bench, step);
      const middle = await intake(system, bench, total - 2 * step);
      const last = await intake(system, bench, step);
      // The queue manager has seen all of them when it has nothing to do any more.
      await system.group.rest(3600);
      const memory = (system.group.memory(system.manager) - before) / total;
      return { first, middle, last, memory };
    });
    const restarted = await withSink(bench, async (count) => {
      const start = performance.now();
      return await whileRunning(await peer.start({ ...setup, again: true }), async () => {
        while (count() === 0 && performance.now() - start < 600_000) await Bun.sleep(5);
        if (count() === 0) throw new Error("bench: no delivery in 600 s after the start");
        const begun = performance.now();
        await reachesAtLeast(Math.min(step, total), count);
        return { restart: (begun - start) / 1000, delivery: (performance.now() - begun) / step };
      });
    });
    return { ...filled, ...restarted };
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
  } finally {
    await system.stop();
  }
}

const reachesAtLeast = (wanted: number, count: () => number): Promise<void> =>
  reaches("deliveries after the start", wanted, () => Math.min(wanted, count()));

export const queue: Workload = {
  name: "queue",
  about: `a queue that grows to as many messages as --queue says, for a host that is not tried; then a restart, and the host takes mail`,
  rounds: 1,
  figures: [
    { key: "first", title: `first ${step} accepted, ms/message`, digits: 2, better: "less" },
    { key: "middle", title: "between them, ms/message", digits: 2, better: "less" },
    { key: "last", title: `last ${step} accepted, ms/message`, digits: 2, better: "less" },
    {
      key: "memory",
      title: "memory (PSS) of qmail-send or qmgr per queued message, bytes",
      digits: 0,
      better: "less",
    },
    { key: "restart", title: "start to first delivery, s", digits: 2, better: "less" },
    { key: "delivery", title: `first ${step} delivered then, ms/message`, digits: 2, better: "less" },
  ],
  round,
};
