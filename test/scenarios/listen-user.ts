/**
 * Servers that root starts on low ports and that become a user: system-wide with qmail's users, and in a private home.
 * Run by listen-user.test.ts inside namespaces of its own; prints what it observed as JSON.
 *
 *   unshare --mount --net ... bun test/scenarios/listen-user.ts WORK-DIRECTORY
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { netstring } from "../../src/core/wire/netstring.ts";
import { installLauncher } from "../helpers/launcher.ts";
import { layOutQueue } from "../helpers/layout.ts";
import { mountEmpty, privateSystem } from "../helpers/namespace.ts";
import { childrenOf } from "../helpers/server.ts";
import { session } from "../helpers/talk.ts";
import { install } from "./system-wide.ts";

export const joe = 1008;

/** What every thread of a process has: user and group numbers (real, effective, saved, file system), groups, capabilities. */
export interface Identity {
  uid: string;
  gid: string;
  groups: string;
  capabilities: string[];
}

/** A server after a short and a long message. */
export interface Seen {
  /** What the clients heard last. */
  heard: string[];
  threads: Identity[];
  threadCount: number;
  /** The only child, the queue program that stays: its argument, and its threads. */
  partner: [string, Identity[]][];
  /** Owners and modes of the files in the queue, each kind once. */
  files: string[];
  exit: number;
}

export interface Observed {
  /** By the program's name. */
  system: Record<string, Seen>;
  home: Record<string, Seen>;
  /** qmail-smtpd in two processes, system-wide: the first, and the others, of which each has a queue program. */
  several: {
    first: Identity[];
    others: Identity[];
    partners: Seen["partner"];
    heard: string[];
    exit: number;
  };
  /** What a program that qmail-popup starts says of itself. */
  popup: string;
  /** Exit codes and complaints. */
  unknown: string;
  notRoot: string;
}

/** Port, and the session that brings a message with this text. */
type Way = readonly [port: number, say: (text: string) => string];
const envelope = ["a@b", "joe@test.example"].map((address) => netstring(address).toString());
const ways: Readonly<Record<string, Way>> = {
  "qmail-smtpd": [
    25,
    (text) =>
      `MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n${text.replaceAll("\n", "\r\n")}.\r\nQUIT\r\n`,
  ],
  "qmail-qmtpd": [
    209,
    (text) => [netstring(`\n${text}`), envelope[0], netstring(envelope[1] ?? "")].join(""),
  ],
  "qmail-qmqpd": [628, (text) => netstring([netstring(text), ...envelope].join("")).toString()],
};

const short = "Subject: x\n\nhi\n";
const long = `${short}${"x".repeat(999)}\n`.padEnd(1_500_000, `${"y".repeat(99)}\n`).concat("\n");

function identities(pid: number): Identity[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(status)?.[1] ?? "";
    return {
      uid: field("Uid"),
      gid: field("Gid"),
      groups: field("Groups"),
      capabilities: ["CapPrm", "CapEff", "CapInh", "CapAmb"].map(field),
    };
  });
}

/** Each identity once: threads come and go, but there may be no two of them. */
function distinct(all: Identity[]): Identity[] {
  return [...new Set(all.map((one) => JSON.stringify(one)))].map((text) => JSON.parse(text) as Identity);
}

const argumentOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")[1] ?? "";

function filesOf(queue: string): string[] {
  const kinds = ["mess", "intd", "todo", "pid"].flatMap((part) =>
    readdirSync(join(queue, part), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => lstatSync(join(entry.parentPath, entry.name)))
      .map((stat) => `${part} ${stat.uid} ${(stat.mode & 0o7777).toString(8)}`),
  );
  return [...new Set(kinds)];
}

/** Root with more groups than its own, as it comes from a login. */
const manyGroups = ["setpriv", "--groups", "4,24,27"];

function spawn(home: string, words: readonly string[], uid = 0) {
  return Bun.spawn([...(uid === 0 ? manyGroups : []), ...words], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: `${home}/bin:/usr/bin:/bin`, ...(home === "/var/qmail" ? {} : { QMAILHOME: home }) },
    ...(uid === 0 ? {} : { uid, gid: uid }),
  });
}

type Child = ReturnType<typeof spawn>;

async function listening(child: Child): Promise<void> {
  const { value } = await child.stderr.getReader().read();
  const said = Buffer.from(value ?? []).toString();
  if (!said.includes("listening")) throw new Error(said);
}

async function look(home: string, program: string, user: string): Promise<Seen> {
  const [port, say] = ways[program] as Way;
  const words = [`${home}/bin/${program}`, "--listen", `127.0.0.1:${port}`, "--user", user];
  const child = spawn(home, words);
  await listening(child);
  const heard: string[] = [];
  for (const text of [short, long]) heard.push(await session({ port }, say(text)));
  const children = childrenOf(child.pid).map(([pid]) => pid);
  const seen = {
    heard,
    threads: distinct(identities(child.pid)),
    threadCount: identities(child.pid).length,
    partner: children.map((pid) => [argumentOf(pid), distinct(identities(pid))] as [string, Identity[]]),
    files: filesOf(join(home, "queue")),
  };
  child.kill("SIGTERM");
  return { ...seen, exit: await child.exited };
}

async function lookAtSeveral(home: string): Promise<Observed["several"]> {
  const [port, say] = ways["qmail-smtpd"] as Way;
  const options = ["--listen", `127.0.0.1:${port}`, "--user", "qmaild", "--processes", "2"];
  const child = spawn(home, [`${home}/bin/qmail-smtpd`, ...options]);
  await listening(child);
  const pidsOf = (pid: number) => childrenOf(pid).map(([number]) => number);
  const partners = () => pidsOf(child.pid).flatMap(pidsOf);
  // Also the one that comes in the place of another is who it should be.
  process.kill(pidsOf(child.pid)[0] ?? 0, "SIGKILL");
  const heard: string[] = [];
  while (partners().length < 2 && heard.length < 200) heard.push(await session({ port }, say(short)));
  const seen = {
    first: distinct(identities(child.pid)),
    others: distinct(pidsOf(child.pid).flatMap(identities)),
    partners: partners().map((pid): Seen["partner"][number] => [argumentOf(pid), distinct(identities(pid))]),
    heard,
  };
  child.kill("SIGTERM");
  return { ...seen, exit: await child.exited };
}

async function lookAtAll(home: string, user: string): Promise<Record<string, Seen>> {
  const seen: Record<string, Seen> = {};
  for (const program of Object.keys(ways)) seen[program] = await look(home, program, user);
  return seen;
}

/** The checker is a program that says who it is. */
async function popup(home: string, work: string): Promise<string> {
  const checker = join(work, "checker");
  writeFileSync(
    checker,
    `#!/bin/sh\ncat <&3 >/dev/null\nexec grep -E '^(Uid|Gid|Groups|CapEff):' /proc/self/status\n`,
    {
      mode: 0o755,
    },
  );
  const words = [`${home}/bin/qmail-popup`, "--listen", "127.0.0.1:110", "--user", "qmaild", "pop", checker];
  const child = spawn(home, words);
  await listening(child);
  const heard = await session({ port: 110 }, "USER x\r\nPASS y\r\n");
  child.kill("SIGTERM");
  await child.exited;
  return heard.slice(heard.indexOf("Uid"));
}

/** How it refuses to run. */
async function refused(home: string, user: string, uid = 0): Promise<string> {
  const port = uid === 0 ? 25 : 2525;
  const child = spawn(
    home,
    [`${home}/bin/qmail-smtpd`, "--listen", `127.0.0.1:${port}`, "--user", user],
    uid,
  );
  const said = await child.stderr.text();
  return `${await child.exited} ${said}`;
}

/** A private home of joe's. */
function privateHome(work: string): string {
  const home = join(work, "home");
  mkdirSync(join(home, "control"), { recursive: true });
  for (const name of ["me", "rcpthosts"]) writeFileSync(join(home, "control", name), "test.example\n");
  layOutQueue(join(home, "queue"), false);
  symlinkSync("/var/qmail/bin-plain", join(home, "bin"));
  const owned = Bun.spawnSync(["chown", "-R", `${joe}:${joe}`, home]);
  if (owned.exitCode !== 0) throw new Error(owned.stderr.toString());
  return home;
}

async function observe(work: string): Promise<Observed> {
  mountEmpty(work);
  privateSystem(work, [`joe:x:${joe}:${joe}::${work}:/bin/sh`]);
  install();
  // The same programs without the launcher in qmail-queue's place, as a private home has them.
  Bun.spawnSync(["cp", "-al", "/var/qmail/bin", "/var/qmail/bin-plain"]);
  installLauncher("/var/qmail", work);
  const system = await lookAtAll("/var/qmail", "qmaild");
  const several = await lookAtSeveral("/var/qmail");
  const home = privateHome(work);
  return {
    system,
    several,
    home: await lookAtAll(home, "joe"),
    popup: await popup("/var/qmail", work),
    unknown: await refused(home, "nobody-here"),
    notRoot: await refused(home, "qmaild", joe),
  };
}

if (import.meta.main) console.log(JSON.stringify(await observe(process.argv[2] ?? "")));
