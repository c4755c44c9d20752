/** What most workloads do: start, warm up, measure, wait for rest. */
import { type Bench, type Figures, Meter, reaches, tracedFlushes, warmUp, withSystem } from "../bench.ts";
import { domain, type Peer, relayPort, type Setup, type System } from "../peers/peer.ts";

/** A load, and when all of it has arrived. */
export interface Task {
  setup: Setup;
  /** How many messages (or recipients) the figures are for. */
  messages: number;
  /** Sessions to warm up with. */
  sessions: number;
  /** All of it goes the same way once before, unmeasured: systems are measured that have worked. */
  rehearsed?: boolean;
  /** Sends everything; returns when everything is acknowledged. */
  send(system: System): Promise<void>;
  /** What has arrived, up to `wanted`. */
  arrived(system: System): number;
  wanted: number;
  /** When the last one arrived, in milliseconds since 1970; default: now. */
  last?(system: System): number;
  /** Throws where what arrived is not what should have. */
  check?(system: System): void;
}

/** Rates, processor time and flushes of a task on a warm system. */
export async function measured(peer: Peer, bench: Bench, task: Task): Promise<Figures> {
  const { messages, wanted } = task;
  return await withSystem(peer, task.setup, async (system) => {
    await warmUp(system, bench, task.sessions);
    if (task.rehearsed) {
      await task.send(system);
      await reaches("messages of the rehearsal", wanted, () => task.arrived(system));
      await system.group.rest();
    }
    const before = task.arrived(system);
    const programs = system.group.processorByProgram();
    const meter = new Meter(system, bench);
    const start = Date.now();
    await task.send(system);
    const acknowledged = Date.now() - start;
    await reaches("messages that arrived", wanted, () => task.arrived(system) - before);
    const now = Date.now();
    const arrived = (task.last?.(system) ?? now) - start;
    await system.group.rest();
    if (task.arrived(system) - before > wanted) throw new Error("bench: more arrived than was sent");
    const used = meter.end(messages);
    if (bench.calls) bench.show(processorLine(peer, system.group.processorByProgram(), programs, messages));
    task.check?.(system);
    return {
      ...used,
      accepted: (messages * 1000) / acknowledged,
      delivered: (messages * 1000) / arrived,
      recipients: (wanted * 1000) / arrived,
      seconds: arrived / 1000,
    };
  });
}

/** What disturbs: the memory at most, looked at every 100 ms, and, under strace, flushes by system call a message. */
export async function looked(peer: Peer, bench: Bench, task: Task, few = task): Promise<Figures> {
  const run = async (system: System, { send, arrived, wanted }: Task) => {
    const before = arrived(system);
    await send(system);
    await reaches("messages that arrived", wanted, () => arrived(system) - before, 120);
    await system.group.rest();
  };
  const memory = await withSystem(peer, task.setup, async (system) => {
    await warmUp(system, bench, task.sessions);
    const most = system.group.watchMemory();
    await run(system, task);
    return most();
  });
  const calls = await withSystem(peer, few.setup, async (system) => {
    await warmUp(system, bench, few.sessions);
    return await tracedFlushes(system, () => run(system, few));
  });
  return { memory: memory / 2 ** 20, flushCalls: calls / few.messages };
}

/** Processor time by program, the most first. */
export function processorLine(
  { name }: Peer,
  used: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
  messages: number,
): string {
  const each = [...used].map(([program, time]) => ({
    program,
    ms: ((time - (before.get(program) ?? 0)) * 1000) / messages,
  }));
  const listed = each.sort((a, b) => b.ms - a.ms).map(({ program, ms }) => `${program} ${ms.toFixed(3)}`);
  return `Processor ms per message of ${name} by program that stayed: ${listed.join(", ")}`;
}

/** Starts a host that takes mail for all other domains, while `work` goes on; with the number of messages it has. */
export async function withSink<Result>(
  { tools }: Bench,
  work: (count: () => number) => Promise<Result>,
): Promise<Result> {
  const sink = await tools.sink(relayPort);
  try {
    return await work(() => sink.count());
  } finally {
    await sink.stop();
  }
}

/** A local address. */
export const local = (name: string | number): string => `${name}@${domain}`;
