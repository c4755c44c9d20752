/** `qmail explain`: the way of an address from the envelope to its mailboxes, programs and hosts. */
import { formatIp } from "../../bytes/ip.ts";
import { bytes } from "../../bytes/text.ts";
import { RcptHosts } from "../../control/rcpthosts.ts";
import type { Routing } from "../../mail/routing.ts";
import type { NameService } from "../../net/exchangers.ts";
import { destinationOf } from "../../net/remote-delivery.ts";
import { explainLocal, type LocalSetting, outcomeOf } from "./local.ts";
import type { Explanation, LocalWay, RemoteWay } from "./model.ts";

/** What the explanations of one run share. */
export interface Setting extends Omit<LocalSetting, "passed"> {
  routing: Routing;
  names: NameService;
}

/** A .qmail file may forward to many; so many addresses are followed for each one that was asked about. */
const followed = 500;

/** Explains an address and, where it is forwarded, those that it leads to. */
export async function explain(address: string, setting: Setting): Promise<Explanation> {
  let left = followed;
  return { ...(await visit(address, setting.sender, [])), fromStrangers: takenFromStrangers(address) };

  async function visit(given: string, sender: Buffer, passed: readonly Buffer[]): Promise<Explanation> {
    left--;
    const { channel, address: recipient, rewritten, rule } = setting.routing.decide(given);
    const start = { address: given, rewritten, rule, recipient };
    const at = recipient.lastIndexOf("@");
    const host = bytes(recipient.slice(at + 1));
    if (channel === 1) return { ...start, channel: "remote", ...(await explainRemote(host, setting.names)) };
    const local = bytes(recipient.slice(0, at));
    const { way, deliveredTo, ...result } = await explainLocal(local, host, { ...setting, sender, passed });
    if (way === undefined) return { ...start, channel: "local", ...result };
    const next = way.newSender === undefined ? sender : bytes(way.newSender);
    await followForwards(way, next, [...passed, deliveredTo]);
    return { ...start, channel: "local", local: way, ...result };
  }

  async function followForwards(way: LocalWay, sender: Buffer, passed: readonly Buffer[]): Promise<void> {
    for (const line of way.lines)
      if (line.does === "forward" && line.argument !== undefined && left > 0)
        line.leads = await visit(line.argument, sender, passed);
  }
}

function takenFromStrangers(address: string): boolean {
  const hosts = new RcptHosts();
  try {
    return hosts.allows(bytes(address));
  } finally {
    hosts.close();
  }
}

async function explainRemote(
  host: Buffer,
  names: NameService,
): Promise<Pick<Explanation, "remote" | "outcome" | "report">> {
  const remote: RemoteWay = { host: host.toString("latin1"), addresses: [] };
  const destination = await destinationOf(host, names);
  if (typeof destination === "string") return { remote, ...outcomeOf(destination) };
  const { protocol, route, port, exchangers } = destination;
  const addresses = exchangers.map(({ address, preference }) => ({ address: formatIp(address), preference }));
  const relay = route === undefined ? {} : { relay: route.host.toString("latin1") };
  return { remote: { ...remote, protocol, ...relay, port, addresses }, outcome: "delivered" };
}
