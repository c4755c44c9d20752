/** Clients that connect and do nothing, and an honest one beside them. */
import { type Bench, type Figures, reaches, type Workload, withSystem } from "../bench.ts";
import { Session } from "../clients/session.ts";
import { one, type Peer } from "../peers/peer.ts";
import { quantile } from "../pure/stats.ts";
import { local } from "./common.ts";

const [idleClients, standard] = [1000, 200];

async function round(peer: Peer, bench: Bench): Promise<Figures> {
  const [clients, messages] = bench.quick ? [200, 50] : [idleClients, standard];
  return await withSystem(peer, { kind: "ext4", clients: clients + 50 }, async (system) => {
    const honest = async (tokens: string): Promise<number[]> => {
      const taken: number[] = [];
      for (let number = 0; number < messages; number++) {
        const start = performance.now();
        const session = new Session();
        await session.open(system.smtpPort);
        await session.send([local(one)], `${tokens}${number}`, 2000);
        await session.close();
        taken.push(performance.now() - start);
      }
      return taken;
    };
    const alone = await honest("a");
    await system.group.rest();
    const before = system.group.memory();
    const idle = Array.from({ length: clients }, () => new Session());
    // A few at a time, as a listen queue has an end.
    for (let first = 0; first < clients; first += 50)
      await Promise.all(idle.slice(first, first + 50).map((session) => session.open(system.smtpPort)));
    await system.group.rest();
    const each = (system.group.memory() - before) / clients;
    const beside = await honest("b");
    await reaches("messages in the mailbox", 2 * messages, () => system.count(one));
    for (const session of idle) await session.close();
    return {
      each: each / 1024,
      alone50: quantile(alone, 0.5),
      alone99: quantile(alone, 0.99),
      beside50: quantile(beside, 0.5),
      beside99: quantile(beside, 0.99),
    };
  });
}

export const idle: Workload = {
  name: "idle",
  about: `${idleClients} SMTP clients that said HELO and stay silent; an honest client sends ${standard} messages of 2 kB one by one, connection included`,
  figures: [
    { key: "each", title: "memory (PSS) per idle connection, KiB", digits: 1, better: "less" },
    { key: "alone50", title: "honest client, nobody else, p50 ms", digits: 1, better: "less" },
    { key: "alone99", title: "honest client, nobody else, p99 ms", digits: 1, better: "less" },
    { key: "beside50", title: "honest client beside them, p50 ms", digits: 1, better: "less" },
    { key: "beside99", title: "honest client beside them, p99 ms", digits: 1, better: "less" },
  ],
  round,
};
