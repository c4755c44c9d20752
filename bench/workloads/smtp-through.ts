/** Mail comes in by SMTP and leaves by SMTP. */
import type { Bench, Workload } from "../bench.ts";
import { type Peer, relayPort } from "../peers/peer.ts";
import { looked, measured, type Task, withSink } from "./common.ts";
import { figures } from "./figures.ts";

const size = 2000;

function smtpThrough(sessions: number, standard: number): Workload {
  const task = (bench: Bench, count: () => number, part = 1): Task => {
    const messages = Math.max(sessions, Math.ceil((standard * part) / (bench.quick ? 10 : 1)));
    return {
      setup: { kind: "ext4", relay: relayPort },
      messages,
      wanted: messages,
      sessions,
      send: (system) =>
        bench.tools.send({ port: system.smtpPort, sessions, messages, size, to: "joe@elsewhere.example" }),
      arrived: count,
    };
  };
  return {
    name: `smtp-through-${sessions}`,
    about: `SMTP, ${sessions} sessions, ${standard} messages of 2 kB, relayed to smtp-sink, on ext4`,
    figures: figures.through,
    round: (peer: Peer, bench: Bench) =>
      withSink(bench, (count) => measured(peer, bench, task(bench, count))),
    look: (peer: Peer, bench: Bench) =>
      withSink(bench, async (count) => {
        const few = task(bench, count, 1 / 4);
        return await looked(peer, bench, task(bench, count), few);
      }),
  };
}

export const smtpThroughWorkloads: readonly Workload[] = [smtpThrough(20, 3000), smtpThrough(100, 3000)];
