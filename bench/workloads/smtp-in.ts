/** Mail comes in by SMTP and goes to Maildirs. */

import {
  type Bench,
  type Figures,
  Meter,
  reaches,
  tracedFlushes,
  tracedPrograms,
  type Workload,
  warmUp,
  withSystem,
} from "../bench.ts";
import { arrivals, latencies } from "../clients/arrivals.ts";
import { sendMeasured } from "../clients/session.ts";
import type { Kind } from "../ground.ts";
import { domain, one, type Peer, type System, twenty } from "../peers/peer.ts";
import { quantile } from "../pure/stats.ts";
import { processorLine } from "./common.ts";
import { figures } from "./figures.ts";

interface Shape {
  name: string;
  kind?: Kind;
  sessions: number;
  /** Bytes of a message. */
  size: number;
  messages: number;
  /** How many come before those that are measured; default: a few. */
  before?: number;
  recipients?: number;
  must?: Workload["must"];
}

function smtpIn(shape: Shape): Workload {
  const { name, kind = "ext4", sessions, size, recipients = 1 } = shape;
  const many = recipients > 1;
  const standard = ({ quick }: Bench, messages: number) =>
    Math.max(sessions, quick ? Math.ceil(messages / 10) : messages);
  const counted = (bench: Bench) => standard(bench, shape.messages);
  const prepared = async (system: System, bench: Bench) =>
    await warmUp(system, bench, sessions, shape.before && standard(bench, shape.before));
  const boxes = many ? twenty.slice(0, recipients) : [one];
  const arrived = (system: System) => boxes.reduce((sum, user) => sum + system.count(user), 0);
  const setup = { kind };
  const send = async (system: System, { tools }: Bench, messages: number) => {
    const to = `${many ? "u" : one}@${domain}`;
    await tools.send({ port: system.smtpPort, sessions, messages, size, to, recipients });
  };
  const all = (system: System, messages: number) =>
    reaches(`${name}: messages in the mailboxes`, messages * recipients, () => arrived(system));

  async function round(peer: Peer, bench: Bench): Promise<Figures> {
    const messages = counted(bench);
    return await withSystem(peer, setup, async (system) => {
      await prepared(system, bench);
      const meter = new Meter(system, bench);
      const start = Date.now();
      await send(system, bench, messages);
      const acknowledged = Date.now() - start;
      await all(system, messages);
      await system.group.rest();
      const used = meter.end(messages);
      return {
        ...used,
        accepted: (messages * 1000) / acknowledged,
        delivered: (messages * 1000) / (system.newest(boxes) - start),
      };
    });
  }

  async function look(peer: Peer, bench: Bench): Promise<Figures> {
    const messages = counted(bench);
    const to = boxes.map((user) => `${user}@${domain}`);
    const timed = await withSystem(peer, setup, async (system) => {
      await system.group.rest();
      const memoryIdle = system.group.memory() / 2 ** 20;
      await prepared(system, bench);
      const memory = system.group.watchMemory();
      const before = system.group.processorByProgram();
      const acknowledged = await sendMeasured(system.smtpPort, { sessions, messages, size, to });
      await all(system, messages);
      const used = system.group.processorByProgram();
      if (bench.calls) bench.show(processorLine(peer, used, before, messages));
      const late = boxes.flatMap((user) => latencies(acknowledged, arrivals(system, user)));
      const taken = [...acknowledged.values()].map(({ begun, at }) => at - begun);
      return {
        late50: quantile(late, 0.5),
        late99: quantile(late, 0.99),
        transaction50: quantile(taken, 0.5),
        transaction99: quantile(taken, 0.99),
        memoryIdle,
        memory: memory() / 2 ** 20,
      };
    });
    const few = Math.max(sessions, Math.ceil(messages / 4));
    const work = (system: System) => async () => {
      await send(system, bench, few);
      await all(system, few);
      await system.group.rest();
    };
    const calls = await withSystem(peer, setup, async (system) => {
      await warmUp(system, bench, sessions);
      return await tracedFlushes(system, work(system));
    });
    if (bench.calls) {
      bench.show(`System calls per message of ${peer.name} in ${name} (strace -f, ${few} messages):`);
      const lines = await withSystem(peer, setup, async (system) => {
        await warmUp(system, bench, sessions);
        return await tracedPrograms(system, few, work(system));
      });
      for (const line of lines) bench.show(line);
    }
    return { ...timed, flushCalls: calls / few };
  }

  const kilobytes = size < 1e6 ? `${size / 1000} kB` : `${size / 1e6} MB`;
  const to = many ? `${recipients} local recipients each` : "one local recipient";
  const after = shape.before === undefined ? "" : `, after ${shape.before} that are not counted`;
  return {
    name,
    about: `SMTP, ${sessions} sessions, ${shape.messages} messages of ${kilobytes}, ${to}, to Maildir on ${kind}${after}`,
    ...(shape.must === undefined ? {} : { must: shape.must }),
    figures: figures.smtpIn,
    round,
    look,
  };
}

const both = { peers: ["ours", "postfix"], look: true };
const everybody = { peers: [...both.peers, "reference"], look: true };

export const smtpInWorkloads: readonly Workload[] = [
  smtpIn({ name: "smtp-in-20", sessions: 20, size: 2000, messages: 10_000, before: 10_000, must: everybody }),
  smtpIn({ name: "smtp-in-100", sessions: 100, size: 2000, messages: 10_000, before: 10_000, must: both }),
  smtpIn({ name: "smtp-in-1", sessions: 1, size: 2000, messages: 400 }),
  smtpIn({ name: "smtp-in-tmpfs", kind: "tmpfs", sessions: 20, size: 2000, messages: 4000 }),
  smtpIn({ name: "smtp-in-many", sessions: 20, size: 2000, messages: 400, recipients: 20 }),
  smtpIn({ name: "smtp-in-50k", sessions: 20, size: 50_000, messages: 2000 }),
  smtpIn({ name: "smtp-in-5m", sessions: 5, size: 5_000_000, messages: 60 }),
];
