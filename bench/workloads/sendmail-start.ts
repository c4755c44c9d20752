/** What a call of `sendmail` takes until the message is in the queue, beside an empty program of our compiler. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Figures, type Workload, withSystem } from "../bench.ts";
import { type Kind, scratch } from "../ground.ts";
import type { Peer } from "../peers/peer.ts";
import { median } from "../pure/stats.ts";
import { message } from "../pure/text.ts";
import { local } from "./common.ts";
import { emptyProgram } from "./startup.ts";

const standard = 100;

/** Milliseconds: by the clock, and of the processor. */
interface Taken {
  clock: number;
  processor: number;
}

function call(words: readonly string[], env: Readonly<Record<string, string>>, file: string): Taken {
  const start = performance.now();
  const { exitCode, resourceUsage } = Bun.spawnSync(
    ["/bin/sh", "-c", `exec "$@" <'${file}'`, "sh", ...words],
    {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const clock = performance.now() - start;
  if (exitCode !== 0) throw new Error(`bench: ${words.join(" ")}: exit ${exitCode}`);
  return { clock, processor: Number(resourceUsage.cpuTime.total) / 1000 };
}

/** Medians of calls of sendmail and of the empty program in turn, nothing being delivered. */
async function calls(peer: Peer, bench: Bench, kind: Kind): Promise<{ sendmail: Taken; empty: Taken }> {
  const empty = await emptyProgram(scratch);
  const file = join(scratch, "message");
  writeFileSync(file, message(2000, "shell"));
  return await withSystem(peer, { kind, intakeOnly: true }, async (system) => {
    const words = [...system.sendmail, local("ann")];
    const taken = { sendmail: [] as Taken[], empty: [] as Taken[] };
    for (let number = bench.quick ? standard / 5 : standard; number > 0; number--) {
      taken.empty.push(call([empty], {}, file));
      taken.sendmail.push(call(words, system.environment, file));
      // What others do with it does not count here.
      await system.group.rest();
    }
    const middle = (all: readonly Taken[]): Taken => ({
      clock: median(all.map(({ clock }) => clock)),
      processor: median(all.map(({ processor }) => processor)),
    });
    return { sendmail: middle(taken.sendmail), empty: middle(taken.empty) };
  });
}

async function round(peer: Peer, bench: Bench): Promise<Figures> {
  const memory = await calls(peer, bench, "tmpfs");
  const disk = await calls(peer, bench, "ext4");
  return {
    disk: disk.sendmail.clock,
    memory: memory.sendmail.clock,
    processor: memory.sendmail.processor,
    empty: memory.empty.clock,
    emptyProcessor: memory.empty.processor,
    timesDisk: disk.sendmail.clock / disk.empty.clock,
    timesMemory: memory.sendmail.clock / memory.empty.clock,
    timesProcessor: memory.sendmail.processor / memory.empty.processor,
  };
}

const milliseconds = { digits: 1, better: "less" } as const;

export const sendmailStart: Workload = {
  name: "sendmail-start",
  about: `${standard} calls of sendmail from a shell, one after another, 2 kB, into a queue from which nothing is delivered, and an empty program of our compiler after each; medians. The queue is on ext4, then on tmpfs`,
  must: { peers: ["ours", "postfix"] },
  figures: [
    { key: "disk", title: "sendmail, queue on ext4, ms", ...milliseconds },
    { key: "memory", title: "sendmail, queue on tmpfs, ms", ...milliseconds },
    { key: "empty", title: "empty program, ms", ...milliseconds },
    { key: "processor", title: "sendmail (tmpfs), processor ms", ...milliseconds },
    { key: "emptyProcessor", title: "empty program, processor ms", ...milliseconds },
    { key: "timesDisk", title: "sendmail on ext4 to empty program", digits: 2, better: "less" },
    { key: "timesMemory", title: "sendmail on tmpfs to empty program", digits: 2, better: "less" },
    { key: "timesProcessor", title: "processor time of these", digits: 2, better: "less" },
  ],
  round,
};
