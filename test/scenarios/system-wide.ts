/**
 * A system-wide installation, from nothing: qmail's users and owners, qmail-start as root, mail from joe to ann, a
 * bounce, an alias. Run by system-wide.test.ts inside namespaces of its own; prints what it observed as JSON.
 *
 *   unshare --mount ... bun test/scenarios/system-wide.ts WORK-DIRECTORY
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Explanation } from "../../src/core/cli/explain/model.ts";
import { encodeRequest } from "../../src/core/queue/resident-words.ts";
import { isEmpty, queueFiles } from "../conformance/queue.ts";
import { Group, host, programs, readProcess, until } from "../helpers/home.ts";
import { installLauncher } from "../helpers/launcher.ts";
import { layOutQueue } from "../helpers/layout.ts";
import { mountEmpty, privateSystem } from "../helpers/namespace.ts";
import { patience } from "../helpers/patience.ts";
import { nofiles, qmailGroup, userNumbers } from "../helpers/users.ts";

const home = "/var/qmail";
export const joe = 1008;
export const ann = 1009;
const people: Readonly<Record<string, number>> = { joe, ann };

/** A message as it was found: its owner and its text. */
export interface Found {
  owner: number;
  text: string;
}

/** A process: the four user numbers of /proc/PID/status (real, effective, saved, file system). */
export type Ids = number[];

export interface Observed {
  /** Owners and modes in the queue right after the injection, by part. */
  queued: Record<string, { owner: number; mode: string }[]>;
  /** A waiting qmail-queue of joe. */
  waiting: { ids: Ids; secure: number; environment: string };
  /** Exit codes of qmail-queue under a hostile caller, and whether the caller's code ran. */
  hostile: { closed: number; limited: number; preload: number; ran: boolean };
  /** Exit code of a qmail-queue that stays, after one message of joe's. */
  resident: number;
  /** The daemons, by name. */
  daemons: Record<string, Ids>;
  /** The processes that have become a user and wait for the next message. */
  warm: Ids[];
  ann: Found[];
  joe: Found[];
  left: string[];
  log: string;
  /** What root's `qmail explain` says of ann's address, of a file that ann may not read, and of the alias. */
  explained: Explanation[];
}

/** /var/qmail with the owners and modes of the reference's installation; all programs are links to one executable. */
export function install(): void {
  for (const [name, owner, mode] of [
    ["", "root", 0o755],
    ["control", "root", 0o755],
    ["users", "root", 0o755],
    ["bin", "root", 0o755],
    ["alias", "alias", 0o2755],
  ] as const) {
    const path = join(home, name);
    mkdirSync(path, { recursive: true });
    chownSync(path, userNumbers[owner] ?? 0, qmailGroup);
    chmodSync(path, mode);
  }
  const executable = join(home, "bin/qmail-ts");
  copyFileSync(join(programs, "qmail-ts"), executable);
  chownSync(executable, 0, qmailGroup);
  chmodSync(executable, 0o755);
  for (const name of readdirSync(programs)) if (name !== "qmail-ts") installProgram(name, executable);
  layOutQueue(join(home, "queue"), true);
  const control = {
    me: host,
    defaultdomain: host,
    plusdomain: "example",
    locals: `${host}\nlocalhost`,
    rcpthosts: host,
  };
  for (const [name, text] of Object.entries(control)) writeFileSync(join(home, "control", name), `${text}\n`);
  writeFileSync(join(home, "alias/.qmail-friends"), `&ann@${host}\n`);
}

/** A part of the executable that lies beside it is copied, a program is a link. */
function installProgram(name: string, executable: string): void {
  const target = join(home, "bin", name);
  if (statSync(join(programs, name)).ino === statSync(join(programs, "qmail-ts")).ino)
    linkSync(executable, target);
  else copyFileSync(join(programs, name), target);
}

export function makePeople(work: string): string[] {
  return Object.entries(people).map(([name, uid]) => {
    const path = join(work, name);
    for (const directory of [path, ...["", "/tmp", "/new", "/cur"].map((part) => `${path}/Maildir${part}`)]) {
      mkdirSync(directory, { mode: 0o700 });
      chownSync(directory, uid, uid);
    }
    chmodSync(path, 0o755);
    return `${name}:x:${uid}:${uid}::${path}:/bin/sh`;
  });
}

interface As {
  input?: string | number;
  environment?: Record<string, string>;
}

/** Runs a shell command as joe; its exit code. */
async function asJoe(command: string, { input = "", environment = {} }: As = {}): Promise<number> {
  const child = Bun.spawn(["/bin/sh", "-c", command], {
    stdio: [typeof input === "string" ? new Blob([input]) : input, "ignore", "inherit"],
    env: { PATH: "/usr/bin:/bin", USER: "joe", ...environment },
    uid: joe,
    gid: joe,
  } as Bun.SpawnOptions.OptionsObject<Blob, "ignore", "inherit">);
  return await child.exited;
}

const idsOf = (pid: number): Ids =>
  (/^Uid:\s+(.*)$/m.exec(readProcess(pid, "status") ?? "")?.[1] ?? "").split("\t").map(Number);

/** The value of one entry of a process's auxiliary vector. */
function auxiliary(pid: number, type: number): number {
  const vector = readFileSync(`/proc/${pid}/auxv`);
  for (let at = 0; at + 16 <= vector.length; at += 16)
    if (vector.readBigUInt64LE(at) === BigInt(type)) return Number(vector.readBigUInt64LE(at + 8));
  return -1;
}

const nameOf = (pid: number): string => readProcess(pid, "cmdline")?.split("\0")[0]?.split("/").pop() ?? "";

/** Starts qmail-queue as joe, looks at it while it waits for the message, and lets it go without an envelope. */
async function lookAtWaiting(): Promise<Observed["waiting"]> {
  const child = Bun.spawn([join(home, "bin/qmail-queue")], {
    stdio: ["pipe", "ignore", "ignore"],
    env: { LD_PRELOAD: "", SECRET: "1" },
    uid: joe,
    gid: joe,
  } as Bun.SpawnOptions.OptionsObject<"pipe", "ignore", "ignore">);
  // The launcher has become the program once the executable is another one.
  await until(patience, () => readProcess(child.pid, "maps")?.includes("qmail-ts") === true);
  const secureMode = 23;
  const waiting = {
    ids: idsOf(child.pid),
    secure: auxiliary(child.pid, secureMode),
    environment: readProcess(child.pid, "environ") ?? "",
  };
  await child.stdin.end();
  await child.exited;
  return waiting;
}

const envelope = `Fjoe@${host}\\0Tann@${host}\\0\\0`;

/** The caller closes descriptors, lowers its limits, and asks the runtime to run its own code. */
async function hostileCallers(work: string): Promise<Observed["hostile"]> {
  const queue = join(home, "bin/qmail-queue");
  const proof = join(work, "joe/ran");
  const evil = join(work, "joe/evil.js");
  writeFileSync(evil, `require("node:fs").writeFileSync(${JSON.stringify(proof)}, "ran");\n`);
  const withEnvelope = (command: string) => `printf '${envelope}' >~/envelope; ${command} 1<~/envelope`;
  const environment = { HOME: join(work, "joe") };
  const runtime = { BUN_OPTIONS: `--preload ${evil}`, BUN_BE_BUN: "1", NODE_OPTIONS: `--require ${evil}` };
  return {
    closed: await asJoe(`${queue} 0<&- 1<&- 2<&-`),
    limited: await asJoe(withEnvelope(`ulimit -S -f 1; ulimit -S -n 20; ulimit -S -v 100000; ${queue}`), {
      input: `Subject: limited\n\n${"x".repeat(9999)}\n`,
      environment,
    }),
    preload: await asJoe(withEnvelope(queue), {
      input: "Subject: preload\n\n",
      environment: { ...environment, ...runtime },
    }),
    ran: existsSync(proof),
  };
}

/** Owners and modes of everything in the queue. */
function owners(): Observed["queued"] {
  const root = join(home, "queue");
  const all: Observed["queued"] = {};
  for (const part of ["mess", "intd", "todo", "pid"])
    all[part] = readdirSync(join(root, part), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)))
      .map((stat) => ({ owner: stat.uid, mode: (stat.mode & 0o7777).toString(8) }));
  return all;
}

function mailOf(work: string, name: string): Found[] {
  const box = join(work, name, "Maildir/new");
  return readdirSync(box).map((file) => ({
    owner: statSync(join(box, file)).uid,
    text: readFileSync(join(box, file), "latin1"),
  }));
}

/** Root asks about three addresses while the daemons run. */
async function explain(work: string): Promise<Explanation[]> {
  writeFileSync(join(work, "ann/.qmail-secret"), "./Maildir/\n", { mode: 0o600 });
  const addresses = ["ann", "ann-secret", "friends"].map((name) => `${name}@${host}`);
  const child = Bun.spawn([`${home}/bin/qmail`, "explain", "--json", ...addresses], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: "/usr/bin:/bin" },
  });
  const lines = (await child.stdout.text()).trimEnd().split("\n");
  return lines.map((line): Explanation => JSON.parse(line));
}

/** Everything, from the empty directory on. */
async function observe(work: string): Promise<Observed> {
  mountEmpty(work);
  privateSystem(work, makePeople(work));
  install();
  installLauncher(home, work);
  const log = join(work, "log");
  writeFileSync(log, "");
  chownSync(log, userNumbers.qmaill ?? 0, nofiles);

  await asJoe(`${home}/bin/sendmail ann@${host}`, { input: "Subject: first\n\nHello Ann.\n" });
  const queued = owners();
  const waiting = await lookAtWaiting();
  const hostile = await hostileCallers(work);
  const bytes = ["Subject: resident\n\n", `joe@${host}`, `ann@${host}`].map((text) => Buffer.from(text));
  const [message, sender, recipient] = bytes as [Buffer, Buffer, Buffer];
  const request = encodeRequest({ message: [message], sender, recipients: [recipient] });
  const input = Buffer.concat(request).toString();
  const resident = await asJoe(`${home}/bin/qmail-queue --resident`, { input });

  const path = `${home}/bin:/usr/local/bin:/usr/bin:/bin`;
  const logger = ["/bin/sh", "-c", `exec cat >>${log}`];
  const daemons = new Group([`${home}/bin/qmail-start`, "./Maildir/", ...logger], { PATH: path }, "ignore");
  await asJoe(`${home}/bin/qmail-inject friends@${host} nobody-here@${host}`, {
    input: "Subject: second\n\nHi.\n",
  });
  await until(patience, () => mailOf(work, "ann").length >= 5 && mailOf(work, "joe").length >= 1);
  await until(patience, () => isEmpty(join(home, "queue")));
  const explained = await explain(work);
  const processes = daemons.processes().map((pid) => [nameOf(pid), idsOf(pid)] as const);
  const isWarm = (name: string): boolean => name === "qmail-local";
  daemons.signal("SIGTERM");
  await daemons.ended();
  await daemons.kill();
  return {
    queued,
    waiting,
    hostile,
    resident,
    daemons: Object.fromEntries(processes.filter(([name]) => !isWarm(name))),
    warm: processes.filter(([name]) => isWarm(name)).map(([, ids]) => ids),
    ann: mailOf(work, "ann"),
    joe: mailOf(work, "joe"),
    left: Object.keys(queueFiles(join(home, "queue"))),
    log: readFileSync(log, "latin1"),
    explained,
  };
}

if (import.meta.main) console.log(JSON.stringify(await observe(process.argv[2] ?? "")));
