/** The runs of qmail's BLURB4 that are not one list: separate local messages, and everything at once. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Figures, Meter, reaches, type Workload, withSystem } from "../bench.ts";
import { scratch } from "../ground.ts";
import { one, type Peer, relayPort } from "../peers/peer.ts";
import { message } from "../pure/text.ts";
import { local, looked, measured, type Task, withSink } from "./common.ts";
import { figures } from "./figures.ts";
import { shell } from "./sendmail.ts";

const shells = 4;
const separateMessages = 2000;

/** Messages are queued by sendmail while nothing is delivered; then they are delivered. */
async function separate(peer: Peer, bench: Bench): Promise<Figures> {
  const messages = bench.quick ? separateMessages / 10 : separateMessages;
  const file = join(scratch, "message");
  writeFileSync(file, message(2000, "separate"));
  return await withSystem(peer, { kind: "ext4", intakeOnly: true }, async (system) => {
    const meter = new Meter(system, bench);
    const start = Date.now();
    await Promise.all(Array.from({ length: shells }, () => shell(system, messages / shells, file)));
    const queued = Date.now();
    await system.deliver();
    await reaches("messages in the mailbox", messages, () => system.count(one));
    const delivered = system.newest([one]) - queued;
    await system.group.rest();
    return {
      ...meter.end(messages),
      queueing: (messages * 1000) / (queued - start),
      delivered: (messages * 1000) / delivered,
    };
  });
}

const mixture = { in: 1000, out: 500, sendmail: 200 };

/** SMTP to a mailbox, SMTP to another host, and sendmail, all at the same time. */
const mixed = (bench: Bench, count: () => number): Task => {
  const part = (messages: number) => (bench.quick ? messages / 10 : messages);
  const messages = part(mixture.in) + part(mixture.out) + part(mixture.sendmail);
  const file = join(scratch, "message");
  writeFileSync(file, message(2000, "mixed"));
  return {
    setup: { kind: "ext4", relay: relayPort },
    messages,
    wanted: messages,
    sessions: 10,
    send: async (system) => {
      const load = { port: system.smtpPort, sessions: 10, size: 2000 };
      await Promise.all([
        bench.tools.send({ ...load, messages: part(mixture.in), to: local(one) }),
        bench.tools.send({ ...load, messages: part(mixture.out), to: "joe@elsewhere.example" }),
        ...Array.from({ length: shells }, () => shell(system, part(mixture.sendmail) / shells, file)),
      ]);
    },
    arrived: (system) => system.count(one) + count(),
  };
};

export const blurb4Workloads: readonly Workload[] = [
  {
    name: "blurb4-separate",
    about: `BLURB4: ${separateMessages} messages of 2 kB queued by sendmail from ${shells} shells, then the deliveries start, to Maildir on ext4`,
    figures: figures.separate,
    round: separate,
  },
  {
    name: "blurb4-mixed",
    about: `BLURB4: ${mixture.in} messages by SMTP to a Maildir, ${mixture.out} by SMTP to smtp-sink, ${mixture.sendmail} by sendmail, at once`,
    figures: figures.mixed,
    round: (peer, bench) => withSink(bench, (count) => measured(peer, bench, mixed(bench, count))),
    look: (peer, bench) => withSink(bench, (count) => looked(peer, bench, mixed(bench, count))),
  },
];
