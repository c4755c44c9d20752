/** One message for many: with a sender for each recipient (VERP), and the lists of qmail's BLURB4. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Workload } from "../bench.ts";
import { scratch } from "../ground.ts";
import { one, type Peer, relayPort, type System } from "../peers/peer.ts";
import { message } from "../pure/text.ts";
import { local, looked, measured, type Task, withSink } from "./common.ts";
import { figures } from "./figures.ts";

/** Where the recipients' mail goes, and where it is counted. */
interface Target {
  address: (number: number) => string;
  /** At a host outside, in a mailbox, or only in the log. */
  where: "sink" | "mailbox" | "log";
  /** Every recipient's host has an address of its own. */
  hosts?: boolean;
}

const mailbox: Target = { address: (number) => local(`${one}-${number}`), where: "mailbox" };
const trash: Target = { address: (number) => local(`trash-${number}`), where: "log" };
const outside: Target = { address: (number) => `joe${number}@elsewhere.example`, where: "sink" };
const hosts: Target = { address: (number) => `joe@host${number}.example`, where: "sink", hosts: true };

interface List {
  name: string;
  about: string;
  target: Target;
  recipients: number;
  /** A sender for each recipient; otherwise the message goes to the address of a list. */
  verp?: boolean;
}

function list({ name, about, target, recipients: standard, verp = false }: List): Workload {
  const { address, where } = target;
  const file = () => {
    const path = join(scratch, "message");
    writeFileSync(path, message(2000, "list"));
    return path;
  };
  const task = ({ quick }: Bench, count: () => number): Task => {
    const wanted = quick ? Math.ceil(standard / 10) : standard;
    const addresses = Array.from({ length: wanted }, (_, number) => address(number + 1));
    const send = async (system: System) => {
      const { command, environment } = verp
        ? system.verp(addresses)
        : { command: [...system.sendmail, local("readers")], environment: system.environment };
      await system.group.run(command, { environment, input: file() });
    };
    const arrived = {
      sink: count,
      mailbox: (system: System) => system.count(one),
      log: (system: System) => system.successes() - listItself(system),
    }[where];
    return {
      setup: {
        kind: "ext4",
        ...(where === "sink" ? { relay: relayPort } : {}),
        ...(target.hosts === true ? { routes: addressesOfHosts(wanted) } : {}),
        lists: verp ? {} : { readers: addresses },
      },
      messages: wanted,
      sessions: 2,
      send,
      arrived,
      wanted,
      ...(verp && where === "mailbox" ? { check: (system: System) => sendersOf(system, wanted) } : {}),
      ...(where === "mailbox" ? { last: (system: System) => system.newest([one]) } : {}),
    };
  };
  const run = async <Result>(bench: Bench, work: (task: Task) => Promise<Result>): Promise<Result> =>
    where === "sink" ? withSink(bench, (count) => work(task(bench, count))) : work(task(bench, () => 0));
  return {
    name,
    about,
    ...(verp ? { must: { peers: ["ours", "postfix"] } } : {}),
    figures: figures.list,
    round: (peer: Peer, bench: Bench) => run(bench, (it) => measured(peer, bench, it)),
    look: (peer: Peer, bench: Bench) => run(bench, (it) => looked(peer, bench, it)),
  };
}

/** Every message has a sender of its own, or VERP was not done. */
function sendersOf(system: System, wanted: number): void {
  const heads = system.messages(one).map((file) => readFileSync(file, "latin1").split("\n", 1)[0] ?? "");
  const senders = new Set(heads.filter((line) => /^Return-Path: <list.*@test\.example>$/.test(line)));
  if (senders.size !== wanted)
    throw new Error(`bench: ${senders.size} senders of ${wanted} messages; one head: ${heads[0]}`);
}

/** Addresses of loopback, one for each host. */
const addressesOfHosts = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`host${n + 1}.example`, `127.0.1.${n + 1}`]));

/** The list's own address is a delivery as well, where forwarding is done by one. */
const listItself = (system: System): number => system.deliveriesTo(local("readers"));

export const listWorkloads: readonly Workload[] = [
  list({
    name: "verp-maildir",
    about: "one message of 2 kB, 10,000 recipients, a sender for each (VERP), to one Maildir on ext4",
    target: mailbox,
    recipients: 10_000,
    verp: true,
  }),
  list({
    name: "verp-sink",
    about: "one message of 2 kB, 10,000 recipients, a sender for each (VERP), to smtp-sink",
    target: outside,
    recipients: 10_000,
    verp: true,
  }),
  list({
    name: "blurb4-trash",
    about: "BLURB4: a list of 8192 local addresses whose mail is thrown away",
    target: trash,
    recipients: 8192,
  }),
  list({
    name: "blurb4-list",
    about: "BLURB4: a list of 1024 local addresses, delivered to a mailbox",
    target: mailbox,
    recipients: 1024,
  }),
  list({
    name: "blurb4-remote",
    about:
      "BLURB4: a list of 150 addresses at 150 hosts, each with an address of its own where smtp-sink answers",
    target: hosts,
    recipients: 150,
  }),
];
