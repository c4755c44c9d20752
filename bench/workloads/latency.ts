/** A server with little to do: how soon a message is in the mailbox. */
import { type Bench, type Figures, reaches, type Workload, warmUp, withSystem } from "../bench.ts";
import { arrivals, latencies } from "../clients/arrivals.ts";
import { type Acknowledged, Session } from "../clients/session.ts";
import { one, type Peer } from "../peers/peer.ts";
import { quantile } from "../pure/stats.ts";
import { local } from "./common.ts";
import { figures } from "./figures.ts";

const [standard, pause] = [200, 50];

async function round(peer: Peer, bench: Bench): Promise<Figures> {
  const messages = bench.quick ? standard / 4 : standard;
  return await withSystem(peer, { kind: "ext4" }, async (system) => {
    await warmUp(system, bench, 1);
    const acknowledged = new Map<string, Acknowledged>();
    for (let number = 0; number < messages; number++) {
      const session = new Session();
      await session.open(system.smtpPort);
      acknowledged.set(`m${number}`, await session.send([local(one)], `m${number}`, 2000));
      await session.close();
      await Bun.sleep(pause);
    }
    await reaches("messages in the mailbox", messages, () => system.count(one));
    const late = latencies(acknowledged, arrivals(system, one));
    const taken = [...acknowledged.values()].map(({ begun, at }) => at - begun);
    return {
      late50: quantile(late, 0.5),
      late99: quantile(late, 0.99),
      transaction50: quantile(taken, 0.5),
      transaction99: quantile(taken, 0.99),
    };
  });
}

export const latency: Workload = {
  name: "latency",
  about: `SMTP, ${standard} messages of 2 kB one after another with ${pause} ms between them, to Maildir on ext4`,
  must: { peers: ["ours", "postfix"] },
  figures: figures.latency,
  round,
};
