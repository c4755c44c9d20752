/** Mail comes in by SMTP and leaves by SMTP. */
import { type Bench, type Figures, Meter, type Workload, withSystem } from "../bench.ts";
import { type Peer, relayPort, until } from "../peers/peer.ts";
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
      rehearsed: sessions === 20,
      send: (system) =>
        bench.tools.send({ port: system.smtpPort, sessions, messages, size, to: "joe@elsewhere.example" }),
      arrived: count,
    };
  };
  return {
    ...(sessions === 20 ? { must: { peers: ["ours", "postfix"] } } : {}),
    name: `smtp-through-${sessions}`,
    about: `SMTP, ${sessions} sessions, ${standard} messages of 2 kB, relayed to smtp-sink, on ext4${sessions === 20 ? ", after as many that are not counted" : ""}`,
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

export const smtpThroughWorkloads: readonly Workload[] = [smtpThrough(20, 10_000), smtpThrough(100, 3000)];

/** As many as a system needs that has worked: the first fifth is not counted. */
const waiting = 20_000;

/** Messages wait in the queue while nothing is delivered; from the first fifth's end to the last. */
async function drain(peer: Peer, bench: Bench): Promise<Figures> {
  const messages = bench.quick ? waiting / 10 : waiting;
  const first = messages / 5;
  return await withSink(bench, (count) =>
    withSystem(peer, { kind: "ext4", relay: relayPort, intakeOnly: true }, async (system) => {
      const load = { port: system.smtpPort, sessions: 20, messages, size };
      await bench.tools.send({ ...load, to: "joe@elsewhere.example" });
      await system.group.rest();
      const delivering = system.deliver();
      await until("the first deliveries", () => count() >= first, 60);
      const [meter, had, begin] = [new Meter(system, bench), count(), performance.now()];
      await until("all deliveries", () => count() >= messages, 300);
      const seconds = (performance.now() - begin) / 1000;
      await delivering;
      await system.group.rest();
      return { ...meter.end(messages - had), delivered: (messages - had) / seconds };
    }),
  );
}

export const queueToSink: Workload = {
  name: "queue-to-sink",
  about: `${waiting} messages of 2 kB that came by SMTP while nothing was delivered, then from queue to smtp-sink, without the first fifth, on ext4`,
  must: { peers: ["ours", "postfix"] },
  figures: figures.drain,
  round: drain,
};
