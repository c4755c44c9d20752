/** A large queue: what a message costs in it, in time and memory, and how soon deliveries begin after a start. */
import { join } from "node:path";
import { type Bench, type Figures, reaches, type Workload } from "../bench.ts";
import { clear } from "../ground.ts";
import { type Peer, relayPort, type System } from "../peers/peer.ts";
import { withSink } from "./common.ts";

const step = 1000;
const setup = { kind: "ext4", relay: relayPort } as const;

/** Processor milliseconds of a message among `step` that are taken in and, by a qmail, preprocessed. */
async function intake(system: System, bench: Bench): Promise<number> {
  const before = processor(system);
  await send(system, bench, step);
  await system.group.rest(60);
  return (processor(system) - before) / step;
}

async function warm(system: System, bench: Bench): Promise<void> {
  await send(system, bench, 100);
  await system.group.rest(60);
}

const send = ({ smtpPort: port }: System, { tools }: Bench, messages: number): Promise<void> =>
  tools.send({ port, sessions: 20, messages, size: 1000, to: "joe@elsewhere.example" });

function processor(system: System): number {
  const { user, system: kernel } = system.group.processor();
  return (user + kernel) * 1000;
}

/** Puts so many more into the queue: as files, where it is known how; else by SMTP, while the system runs. */
async function fill(system: System, peer: Peer, bench: Bench, messages: number): Promise<void> {
  const { queueDirectory } = system;
  if (queueDirectory !== undefined) {
    const script = join(import.meta.dir, "../fill.ts");
    const fillers = [Math.ceil(messages / 2), Math.floor(messages / 2)].map((count, part) =>
      Bun.spawn([process.execPath, script, queueDirectory, `${count}`, `${part}`], {
        stdio: ["ignore", "inherit", "inherit"],
      }),
    );
    for (const filler of fillers)
      if ((await filler.exited) !== 0) throw new Error("bench: unable to fill the queue");
    return;
  }
  await whileRunning(await peer.start({ ...setup, hold: true, again: true }), (running) =>
    send(running, bench, messages),
  );
}

/** A start with mail in the queue for a host that now takes it. */
async function start(peer: Peer, bench: Bench, messages: number): Promise<Figures> {
  return await withSink(bench, async (count) => {
    const begin = performance.now();
    return await whileRunning(await peer.start({ ...setup, again: true }), async (system) => {
      while (count() === 0 && performance.now() - begin < 600_000) await Bun.sleep(5);
      if (count() === 0) throw new Error("bench: no delivery in 600 s after the start");
      const restart = (performance.now() - begin) / 1000;
      await reachesAtLeast(step, count);
      const [before, delivered] = [processor(system), count()];
      await reachesAtLeast(Math.min(messages, 3 * step), count);
      return { restart, delivery: (processor(system) - before) / (count() - delivered) };
    });
  });
}

async function round(peer: Peer, bench: Bench): Promise<Figures> {
  const total = Math.max(3 * step, bench.queueSize);
  try {
    const empty = await whileRunning(await peer.start({ ...setup, hold: true }), async (system) => {
      await warm(system, bench);
      const memory = system.group.memory(system.manager);
      return { system, memory, intake: await intake(system, bench) };
    });
    await fill(empty.system, peer, bench, 2 * step);
    const small = await start(peer, bench, 3 * step);
    // What was on its way at the end may be there still.
    const again = { ...setup, hold: true, again: true };
    await fill(empty.system, peer, bench, total);
    const full = await whileRunning(await peer.start(again), async (system) => {
      await warm(system, bench);
      const memory = system.group.memory(system.manager);
      return { memory, intake: await intake(system, bench) };
    });
    const large = await start(peer, bench, total);
    return {
      memory: (full.memory - empty.memory) / total,
      intakeFirst: empty.intake,
      intakeLast: full.intake,
      restart: large.restart ?? Number.NaN,
      deliverySmall: small.delivery ?? Number.NaN,
      deliveryLarge: large.delivery ?? Number.NaN,
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
  } finally {
    await system.stop();
  }
}

const reachesAtLeast = (wanted: number, count: () => number): Promise<void> =>
  reaches("deliveries after the start", wanted, () => Math.min(wanted, count()));

const cost = { digits: 2, better: "less" } as const;

export const queue: Workload = {
  name: "queue",
  about: `a queue of ${3 * step} messages, then of as many as --queue says, for a host that takes no mail; then a start, and the host takes mail. Processor time is that of the whole system`,
  rounds: 1,
  figures: [
    {
      key: "memory",
      title: "memory (PSS) of qmail-send or qmgr per queued message, bytes",
      digits: 0,
      better: "less",
    },
    { key: "restart", title: "start to first delivery, s", ...cost },
    { key: "intakeFirst", title: `accepted into an empty queue, processor ms/message`, ...cost },
    { key: "intakeLast", title: `accepted into the large one, processor ms/message`, ...cost },
    { key: "deliverySmall", title: `delivered from ${3 * step}, processor ms/message`, ...cost },
    { key: "deliveryLarge", title: `delivered from the large one, processor ms/message`, ...cost },
  ],
  round,
};
