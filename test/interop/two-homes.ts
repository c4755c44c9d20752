/**
 * Two homes on two addresses that find each other by the MX records of NSD: mail both ways by SMTP and by QMTP, with
 * exchangers down, and with a name server that has trouble. Run by two-homes.test.ts inside namespaces of its own, for
 * ports 25, 53 and 209; prints what it observed as JSON.
 *
 *   unshare --mount ... bun test/interop/two-homes.ts WORK-DIRECTORY
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountEmpty, privateSystem } from "../helpers/namespace.ts";
import { type Home, makeHome, type Running, startHome, until } from "../scenarios/home.ts";
import { arrived, listen, Server } from "./tools.ts";

/** The messages that arrived for a step, and what the sender's log says of its deliveries. */
export interface Step {
  mail: string[];
  log: string;
}

export interface Observed {
  /** a.example to b.example, and back. */
  there: Step;
  back: Step;
  /** By control/qmtproutes. */
  qmtp: Step;
  /** The first exchanger of b.example is down, then both are, then the second is back. */
  second: Step;
  none: Step;
  again: Step;
  /** A name that does not exist, and one whose server says SERVFAIL, and then no more. */
  nowhere: Step;
  trouble: Step;
  mended: Step;
}

const address = { a: "127.0.0.2", first: "127.0.0.3", second: "127.0.0.4" };

const zone = (records: string) =>
  `$TTL 60\n@ SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n@ NS ns.example.\n${records}`;

const exampleZone = zone(`ns A 127.0.0.1
a MX 10 mx.a
mx.a A ${address.a}
b MX 20 mx2.b
b MX 10 mx1.b
mx1.b A ${address.first}
mx2.b A ${address.second}
`);
const troubledZone = zone(`@ MX 10 mx1.b.example.\n`);

/** NSD with example, and with trouble.example, whose file is not there: SERVFAIL. */
function nameServer(work: string): Promise<Server> {
  const zones = join(work, "zones");
  mkdirSync(zones);
  writeFileSync(join(zones, "example"), exampleZone);
  const paths = ["pidfile", "xfrdfile", "zonelistfile"].map((name) => `  ${name}: "${join(work, name)}"`);
  const settings = [
    "server:",
    "  ip-address: 127.0.0.1",
    "  server-count: 1",
    '  username: ""',
    '  database: ""',
    `  zonesdir: "${zones}"`,
    ...paths,
    `  xfrdir: "${work}"`,
    "remote-control:",
    "  control-enable: no",
    ...["example", "trouble.example"].flatMap((name) => ["zone:", `  name: ${name}`, `  zonefile: ${name}`]),
  ];
  writeFileSync(join(work, "nsd.conf"), `${settings.join("\n")}\n`);
  return new Server(["nsd", "-d", "-c", join(work, "nsd.conf")]).answers(53);
}

/**
 * Does something and waits for the end of the delivery to `to` that begins thereafter, which has to be a `word`; what
 * the log says of it. Lines about what came before may arrive meanwhile.
 */
async function attempt(system: Running, to: string, word: string, act: () => unknown): Promise<string> {
  const begin = system.log.length;
  await act();
  const ends = (): string[] => {
    const lines = system.log.slice(begin).split("\n").slice(0, -1);
    const start = lines.find((line) => line.startsWith("starting delivery ") && line.endsWith(` ${to}`));
    return lines.filter((line) => line.startsWith(`delivery ${start?.split(/[ :]/)[2]}: `));
  };
  await until(`a delivery to ${to}`, () => ends().length > 0);
  const log = ends().join("\n");
  if (!log.includes(`: ${word}: `)) throw new Error(`${to}: no ${word}: ${log}`);
  return log;
}

/** Sends a message and waits for its delivery. */
function send(from: Home, system: Running, to: string, word: string): Promise<string> {
  return attempt(system, to, word, async () => {
    const body = Buffer.from("Subject: a letter\n\n\xe4\n.\nend\n", "latin1");
    const { code, stderr } = await from.inject(body, [`-fann@${from.host}`, to]);
    if (code !== 0) throw new Error(stderr);
  });
}

/** Takes what has arrived for joe, or ann, of a home. */
async function take(home: Home, user: string, count: number): Promise<string[]> {
  const mail = await arrived(home, user, count);
  for (const path of home.maildir(user)) await Bun.file(path).delete();
  return mail;
}

async function observe(work: string): Promise<Observed> {
  mountEmpty(work);
  privateSystem(work);
  const server = await nameServer(work);
  const a = await makeHome({ host: "a.example", users: ["ann"], path: join(work, "a") });
  const b = await makeHome({ host: "b.example", users: ["ann", "joe"], path: join(work, "b") });
  writeFileSync(b.at("control/rcpthosts"), "b.example\ntrouble.example\n");
  writeFileSync(b.at("control/locals"), "b.example\ntrouble.example\n");
  const [systemA, systemB] = [await startHome(a), await startHome(b)];
  const intoA = await listen(a, "qmail-smtpd", `${address.a}:25`);
  const first = await listen(b, "qmail-smtpd", `${address.first}:25`);
  let second = await listen(b, "qmail-smtpd", `${address.second}:25`);
  const qmtpd = await listen(b, "qmail-qmtpd", `${address.first}:209`);

  const toJoe = async (word = "success", count = 1): Promise<Step> => {
    const log = await send(a, systemA, "joe@b.example", word);
    return { log, mail: await take(b, "joe", count) };
  };
  /** ALRM, and waits for the delivery of what was deferred. */
  const retry = async (to = "joe@b.example"): Promise<Step> => {
    const log = await attempt(systemA, to, "success", () => systemA.signal("SIGALRM"));
    return { log, mail: await take(b, "joe", 1) };
  };

  const there = await toJoe();
  const back = { log: await send(b, systemB, "ann@a.example", "success"), mail: await take(a, "ann", 1) };
  writeFileSync(a.at("control/qmtproutes"), `b.example:${address.first}\n`);
  const qmtp = await toJoe();
  writeFileSync(a.at("control/qmtproutes"), "");
  const troubleLog = await send(a, systemA, "joe@trouble.example", "deferral");
  const trouble = { log: troubleLog, mail: await take(b, "joe", 0) };
  writeFileSync(join(work, "zones/trouble.example"), troubledZone);
  process.kill(server.pid, "SIGHUP");
  const { promises: dns } = await import("node:dns");
  const isKnown = (): Promise<boolean> =>
    dns.resolveMx("trouble.example").then(
      () => true,
      () => false,
    );
  while (!(await isKnown())) await Bun.sleep(50);
  const mended = await retry("joe@trouble.example");
  const nowhere = {
    log: await send(a, systemA, "joe@nowhere.example", "failure"),
    mail: await take(a, "ann", 1),
  };
  await first.stop();
  const bySecond = await toJoe();
  await second.stop();
  const none = await toJoe("deferral", 0);
  second = await listen(b, "qmail-smtpd", `${address.second}:25`);
  const again = await retry();
  for (const each of [intoA, second, qmtpd, server]) await each.stop();
  for (const system of [systemA, systemB]) await system.stop();
  return { there, back, qmtp, second: bySecond, none, again, nowhere, trouble, mended };
}

if (import.meta.main) console.log(JSON.stringify(await observe(process.argv[2] ?? "")));
