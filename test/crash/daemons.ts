/** The programs of a running mail system under a fault: three messages are queued, then the system starts. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../helpers/home.ts";
import { type Bench, sender } from "./bench.ts";
import { underWay } from "./recover.ts";
import { type Arrived, Sink } from "./sink.ts";
import type { Subject } from "./subject.ts";

/** Seconds that a system with a fault gets for its mail, and for its end. */
const [life, farewell] = [2.5, 15];

async function submit(bench: Bench, text: string, to: string): Promise<boolean> {
  const child = Bun.spawn([bench.program("qmail-inject"), "-f", sender, to], {
    stdio: [new Blob([text]), "ignore", "ignore"],
    env: bench.environment,
  });
  return (await child.exited) === 0;
}

/** Runs the system with one of its programs behind these words. */
async function live(bench: Bench, program: string, through: readonly string[]): Promise<number | string> {
  const undo = bench.wrap(program, through);
  try {
    const daemons = bench.start();
    const gone = (): boolean => underWay(bench).length === 0 || daemons.processes().length === 0;
    await until(life, gone);
    daemons.signal("SIGTERM");
    const end = await Promise.race([daemons.ended(), Bun.sleep(farewell * 1000).then(() => "hung" as const)]);
    await daemons.kill();
    return end === 137 ? "SIGKILL" : end;
  } finally {
    undo();
  }
}

function daemon(program: string, follow = false): Subject {
  return {
    name: follow ? `${program} with qmail-local --resident` : program,
    follow,
    // The system's end is qmail-send's.
    ends: [0, 111],
    run: async (bench, through) => {
      for (const way of ["mailbox", "forward", "bounce"] as const) {
        const { number, text, to } = bench.message(way);
        if (await submit(bench, text, to)) bench.acknowledged(number);
      }
      const end = await live(bench, program, detached(through));
      return { end, ...(await bench.settle()) };
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
    if (!(await submit(bench, text, to))) throw new Error("unable to submit");
    const end = await live(bench, "qmail-rspawn", detached(through));
    const settled = await bench.settle();
    const copies = arrived.filter(({ recipients }) => recipients.includes(to));
    const complaints = [
      ...settled.complaints,
      ...(copies.length === 0 ? ["not delivered"] : []),
      ...(copies.every((copy) => copy.text.endsWith(`\n${text}`)) ? [] : ["a torn message arrived"]),
    ];
    return { end, complaints, duplicated: Math.max(copies.length - 1, 0) };
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
