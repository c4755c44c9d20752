/** The programs of a running mail system under a fault: three messages are queued, then the system starts. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeRequest } from "../../src/core/queue/resident-words.ts";
import { until } from "../helpers/home.ts";
import { type Bench, type Settled, sender } from "./bench.ts";
import { type Arrived, Sink } from "./sink.ts";
import type { Subject } from "./subject.ts";

/** Seconds that a system with a fault gets for its mail, and for its end. */
const [life, farewell] = [5, 15];

/** Seconds without a line in the log, and a change in the queue, after which nothing more is expected. */
const stillness = 0.5;

interface Letter {
  text: string;
  to: string;
}

/** Queues messages, by one process. */
async function submit(bench: Bench, letters: readonly Letter[]): Promise<void> {
  const requests = letters.map(({ text, to }) => ({
    message: [Buffer.from(text)],
    sender: Buffer.from(sender),
    recipients: [Buffer.from(to)],
  }));
  const child = Bun.spawn([bench.built("qmail-queue"), "--resident"], {
    stdio: [new Blob(requests.flatMap(encodeRequest)), "pipe", "ignore"],
    env: bench.environment,
  });
  const answers = await child.stdout.text();
  if (answers.match(/\d:Kok /g)?.length !== letters.length) throw new Error(`unable to submit: ${answers}`);
}

/** Runs the system with one of its programs behind these words. */
async function live(bench: Bench, program: string, through: readonly string[]): Promise<number | string> {
  const undo = bench.wrap(program, through);
  try {
    const log = join(bench.path, "log");
    writeFileSync(log, "");
    const daemons = bench.start();
    await untilQuiet(bench, log, () => daemons.processes().length === 0);
    daemons.signal("SIGTERM");
    const end = await Promise.race([daemons.ended(), Bun.sleep(farewell * 1000).then(() => "hung" as const)]);
    await daemons.kill();
    return end === 137 ? "SIGKILL" : end;
  } finally {
    undo();
  }
}

/** Until nothing is in the queue, the system is gone, or it has started and nothing happens any more. */
async function untilQuiet(bench: Bench, log: string, gone: () => boolean): Promise<void> {
  let state = "";
  let since = performance.now();
  const isQuiet = (): boolean => {
    const said = readFileSync(log, "latin1");
    const queued = bench.queued();
    const now = `${said.length} ${queued.join(" ")}`;
    if (now !== state) since = performance.now();
    state = now;
    const still = said.includes("status: ") && performance.now() - since > stillness * 1000;
    return queued.length === 0 || still || gone();
  };
  await until(life, isQuiet, 0.02);
}

const outcomeOf = (end: number | string, { restarted }: Settled): string =>
  `${end === 0 ? "" : `ended with ${end}, `}${restarted ? "delivered after a restart" : "delivered"}`;

function daemon(program: string, follow = false): Subject {
  return {
    name: follow ? `${program} with qmail-local --resident` : program,
    follow,
    // The system's end is qmail-send's.
    ends: [0, 111],
    run: async (bench, through) => {
      const messages = (["mailbox", "forward", "bounce"] as const).map((way) => bench.message(way));
      await submit(bench, messages);
      for (const { number } of messages) bench.acknowledged(number);
      const end = await live(bench, program, detached(through));
      const settled = await bench.settle();
      return { end, ...settled, outcome: outcomeOf(end, settled) };
    },
  };
}

/** Words of strace that leave a program the child of who started it. */
export const detached = (through: readonly string[]): string[] => [
  ...through.slice(0, 1),
  "-D",
  ...through.slice(1),
];

/** A message to another host, which must get it. */
const remote = (follow: boolean): Subject => ({
  name: follow ? "qmail-rspawn with its threads" : "qmail-rspawn",
  follow,
  ends: [0, 111],
  run: async (bench, through) => {
    const arrived: Arrived[] = [];
    using other = await Sink.start((message) => arrived.push(message));
    writeFileSync(join(bench.path, "control/smtproutes"), `remote.example:127.0.0.1:${other.port}\n`);
    const { number, text } = bench.message("mailbox");
    const to = `n${number}@remote.example`;
    await submit(bench, [{ text, to }]);
    const end = await live(bench, "qmail-rspawn", detached(through));
    const settled = await bench.settle();
    const copies = arrived.filter(({ recipients }) => recipients.includes(to));
    const complaints = [
      ...settled.complaints,
      ...(copies.length === 0 ? ["not delivered"] : []),
      ...(copies.every((copy) => copy.text.endsWith(`\n${text}`)) ? [] : ["a torn message arrived"]),
    ];
    const duplicated = Math.max(copies.length - 1, 0);
    return { end, complaints, duplicated, outcome: outcomeOf(end, settled) };
  },
});

export const daemons: readonly Subject[] = [
  daemon("qmail-send"),
  daemon("qmail-clean"),
  daemon("qmail-lspawn"),
  daemon("qmail-lspawn", true),
  remote(false),
  remote(true),
];
