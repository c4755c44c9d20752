/** Another program fills the same disk with data that it does not flush: what mail waits for. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Figures, Meter, reaches, type Workload, warmUp, withSystem } from "../bench.ts";
import { arrivals, latencies } from "../clients/arrivals.ts";
import { sendMeasured } from "../clients/session.ts";
import { lastDirectory } from "../ground.ts";
import { one, type Peer } from "../peers/peer.ts";
import { quantile } from "../pure/stats.ts";
import { local } from "./common.ts";
import { figures } from "./figures.ts";

/** MiB a second that the other program writes at most, and the seconds that it is ahead. */
const [rate, ahead] = [100, 3];

/** Lets the other program write while `work` goes on; with the MiB a second that it came to. */
async function besideWriter<Result>(
  work: () => Promise<Result>,
): Promise<{ result: Result; writes: number }> {
  const directory = `${lastDirectory("ext4")}-others`;
  mkdirSync(directory);
  const words = [process.execPath, join(import.meta.dir, "../dirty.ts"), directory, `${rate}`];
  const writer = Bun.spawn(words, { stdio: ["ignore", "pipe", "inherit"] });
  const begin = performance.now();
  const end = async (): Promise<number> => {
    writer.kill("SIGTERM");
    const [said, code] = await Promise.all([writer.stdout.text(), writer.exited]);
    if (code !== 0) throw new Error(`bench: the program beside: exit ${code}`);
    return Number(said);
  };
  try {
    await Bun.sleep(ahead * 1000);
    const result = await work();
    const seconds = (performance.now() - begin) / 1000;
    return { result, writes: (await end()) / seconds };
  } finally {
    writer.kill("SIGTERM");
    await writer.exited;
    rmSync(directory, { recursive: true });
  }
}

/** MiB that wait to be written, of the whole machine. */
const waiting = (): number =>
  Number(/^Dirty:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "latin1"))?.[1]) / 1024;

function dirty(sessions: number, standard: number): Workload {
  async function round(peer: Peer, bench: Bench): Promise<Figures> {
    const messages = Math.max(sessions, bench.quick ? standard / 5 : standard);
    return await withSystem(peer, { kind: "ext4" }, async (system) => {
      await warmUp(system, bench, sessions);
      const { result, writes } = await besideWriter(async () => {
        const data = waiting();
        const meter = new Meter(system, bench);
        const begin = Date.now();
        const acknowledged = await sendMeasured(system.smtpPort, {
          ...{ sessions, messages, size: 2000, to: [local(one)] },
        });
        const accepted = (messages * 1000) / (Date.now() - begin);
        await reaches("messages in the mailbox", messages, () => system.count(one), 120);
        const { flushes = Number.NaN } = meter.end(messages);
        return { acknowledged, accepted, flushes, data };
      });
      const { acknowledged, accepted, flushes, data } = result;
      const taken = [...acknowledged.values()].map(({ begun, at }) => at - begun);
      const late = latencies(acknowledged, arrivals(system, one));
      return {
        transaction50: quantile(taken, 0.5),
        transaction99: quantile(taken, 0.99),
        slowest: quantile(taken, 1),
        late50: quantile(late, 0.5),
        late99: quantile(late, 0.99),
        ...{ accepted, flushes, writes, data },
      };
    });
  }

  const clients = sessions === 1 ? "one session" : `${sessions} sessions`;
  return {
    name: `dirty-${sessions}`,
    about: `SMTP, ${clients}, ${standard} messages of 2 kB, to Maildir on ext4, while another program writes up to ${rate} MiB a second to that disk and flushes nothing`,
    must: { peers: ["ours", "postfix"] },
    figures: figures.dirty,
    round,
  };
}

export const dirtyWorkloads: readonly Workload[] = [dirty(1, 100), dirty(20, 1000)];
