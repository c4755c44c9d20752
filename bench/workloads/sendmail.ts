/** `sendmail` called by shells, one call after another in each. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Figures, reaches, type Workload, warmUp, withSystem } from "../bench.ts";
import { arrivals, latencies } from "../clients/arrivals.ts";
import type { Acknowledged } from "../clients/session.ts";
import { scratch } from "../ground.ts";
import { one, type Peer, type System } from "../peers/peer.ts";
import { quantile } from "../pure/stats.ts";
import { message } from "../pure/text.ts";
import { local, looked, measured, type Task } from "./common.ts";
import { figures } from "./figures.ts";

/** A shell that calls sendmail so many times, and stops at the first that fails. */
export async function shell(system: System, calls: number, file: string): Promise<void> {
  const loop = 'n=0; while [ $n -lt "$0" ]; do "$@" || exit 1; n=$((n+1)); done';
  const command = ["/bin/sh", "-c", `${loop.replace('"$@"', `"$@" <'${file}'`)}`, `${calls}`];
  await system.group.run([...command, ...system.sendmail, local(one)], { environment: system.environment });
}

function sendmail(shells: number, standard: number): Workload {
  const counted = ({ quick }: Bench) => Math.ceil(standard / shells / (quick ? 5 : 1)) * shells;
  const task = (bench: Bench, part = 1): Task => {
    const messages = Math.ceil((counted(bench) * part) / shells) * shells;
    const file = join(scratch, "message");
    writeFileSync(file, message(2000, "shell"));
    return {
      setup: { kind: "ext4" },
      messages,
      wanted: messages,
      sessions: 5,
      send: async (system) => {
        await Promise.all(Array.from({ length: shells }, () => shell(system, messages / shells, file)));
      },
      arrived: (system) => system.count(one),
      last: (system) => system.newest([one]),
    };
  };

  /** The calls one by one, with tokens. */
  async function timed(peer: Peer, bench: Bench): Promise<Figures> {
    const messages = counted(bench);
    return await withSystem(peer, { kind: "ext4" }, async (system) => {
      await warmUp(system, bench, 5);
      const memory = system.group.watchMemory();
      const acknowledged = new Map<string, Acknowledged>();
      let next = 0;
      const work = async () => {
        while (next < messages) {
          const token = `m${next++}`;
          const begun = Date.now();
          const child = Bun.spawn([...system.sendmail, local(one)], {
            stdio: [Buffer.from(message(2000, token)), "ignore", "inherit"],
            env: { ...system.environment },
          });
          if ((await child.exited) !== 0) throw new Error(`bench: sendmail: exit ${child.exitCode}`);
          acknowledged.set(token, { begun, at: Date.now() });
        }
      };
      await Promise.all(Array.from({ length: shells }, work));
      await reaches("messages that arrived", messages, () => system.count(one));
      const late = latencies(acknowledged, arrivals(system, one));
      const taken = [...acknowledged.values()].map(({ begun, at }) => at - begun);
      return {
        late50: quantile(late, 0.5),
        late99: quantile(late, 0.99),
        transaction50: quantile(taken, 0.5),
        transaction99: quantile(taken, 0.99),
        memory: memory() / 2 ** 20,
      };
    });
  }

  const words = shells === 1 ? "from one shell" : `from ${shells} shells at once`;
  return {
    name: `sendmail-${shells}`,
    about: `${standard} calls of sendmail ${words}, 2 kB, one local recipient, to Maildir on ext4`,
    must: { peers: ["ours", "postfix"] },
    figures: figures.sendmail,
    round: (peer, bench) => measured(peer, bench, task(bench)),
    look: async (peer, bench) => ({
      ...(await looked(peer, bench, task(bench, 1 / 4))),
      ...(await timed(peer, bench)),
    }),
  };
}

export const sendmailWorkloads: readonly Workload[] = [sendmail(1, 400), sendmail(8, 1600)];
