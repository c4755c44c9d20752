/**
 * A machine with a system-wide qmail as `qmail setup` makes it, to be called inside namespaces of its own: its users, two
 * people, the daemons by rc, servers for SMTP and POP3, and a log as service/README says.
 */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Group, host, programs, readProcess, until } from "../helpers/home.ts";
import { canCompile } from "../helpers/launcher.ts";
import { bind, canUnshare, mountEmpty, unshare } from "../helpers/namespace.ts";
import { pristineSystem } from "../helpers/overlay.ts";
import { patience } from "../helpers/patience.ts";

export const home = "/var/qmail";
export const logFile = "/var/log/qmail-send/current";
export const joe = 1008;
export const ann = 1009;
export { host, until };

const has = (name: string): boolean => Bun.which(name, { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }) !== null;

/** What these tests need, and whether it is here. */
export const needs = "needs root, namespaces with overlays, gcc, useradd, python3 and strace";
export const possible = (): boolean =>
  canUnshare() && canCompile() && has("useradd") && has("python3") && has("strace");

/** User and group numbers. */
export interface Ids {
  uid: number;
  gid: number;
}

/** Who somebody is, by the account files. */
export function idsOf(name: string): Ids {
  const [, , uid, gid] =
    readFileSync("/etc/passwd", "latin1")
      .split("\n")
      .map((line) => line.split(":"))
      .find(([first]) => first === name) ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

const tree = resolve(import.meta.dir, "../..");

/** Home directory of joe or ann. */
export const homeOf = (work: string, name: string): string => join(work, name);

/** Runs a command to its end; throws where it fails. */
export function run(...command: string[]): string {
  const result = Bun.spawnSync(command, { stdin: "ignore", env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout.toString();
}

/** Writes a file that belongs to somebody. */
export function give(path: string, { uid, gid }: Ids, text: string | Uint8Array, mode = 0o644): void {
  writeFileSync(path, text);
  chownSync(path, uid, gid);
  chmodSync(path, mode);
}

/** Makes a Maildir that only its owner can enter. */
export function giveMaildir(path: string, { uid, gid }: Ids): void {
  for (const part of ["", "tmp", "new", "cur"]) {
    mkdirSync(join(path, part), { mode: 0o700, recursive: true });
    chownSync(join(path, part), uid, gid);
  }
}

/** Everything but the processes. */
export function installMachine(work: string): void {
  // What others leave where everybody may is none of this; but this very tree may be there.
  for (const shared of ["/tmp", "/dev/shm"]) {
    const isHere = tree.startsWith(`${shared}/`);
    if (isHere) bind(tree, "/mnt");
    mountEmpty(shared);
    chmodSync(shared, 0o1777);
    if (!isHere) continue;
    mkdirSync(tree, { recursive: true });
    bind("/mnt", tree);
    run("umount", "/mnt");
  }
  mountEmpty(work);
  const people = { joe, ann };
  const lines = Object.entries(people).map(
    ([name, uid]) => `${name}:x:${uid}:${uid}::${work}/${name}:/bin/sh`,
  );
  pristineSystem(work, lines);
  for (const [name, uid] of Object.entries(people)) {
    const place = homeOf(work, name);
    mkdirSync(place, { mode: 0o755 });
    chownSync(place, uid, uid);
    giveMaildir(join(place, "Maildir"), { uid, gid: uid });
  }
  run(join(programs, "qmail"), "setup", "--host", host);
  writeFileSync(join(home, "control/smtproutes"), ":127.0.0.1:1\n");
  writeFileSync(join(home, "control/concurrencylocal"), "100\n");
  const readme = readFileSync(join(import.meta.dir, "../../service/README"), "latin1");
  const advice = /install -d .*? \/var\/log\/qmail-send/.exec(readme)?.[0] ?? "false";
  run(...advice.split(" "));
}

/** Whether somebody listens at a port of IPv4. */
function isServed(port: number): boolean {
  const number = port.toString(16).toUpperCase().padStart(4, "0");
  return new RegExp(`^ *\\d+: \\S+:${number} \\S+ 0A `, "m").test(readFileSync("/proc/net/tcp", "latin1"));
}

/** The running system. */
export class Machine {
  readonly work: string;
  readonly #daemons: Group;
  readonly #servers: Group[] = [];

  constructor(work: string) {
    this.work = work;
    const logger = ["/bin/sh", "-c", `exec cat >>${logFile}`];
    this.#daemons = new Group([`${home}/rc`, ...logger], {}, "ignore");
  }

  /** The text of the log. */
  get log(): string {
    try {
      return readFileSync(logFile, "latin1");
    } catch {
      return "";
    }
  }

  async ready(): Promise<void> {
    await this.logs(/^status: local/m);
  }

  /** Waits until the log says it. */
  async logs(words: RegExp): Promise<void> {
    await this.until(() => words.test(this.log));
  }

  /** Waits until something is so; what was waited for in vain, the log may tell. */
  async until(isSo: () => boolean): Promise<void> {
    if (!(await until(patience, isSo))) throw new Error(`waited in vain: ${isSo}\n${this.log.slice(-3000)}`);
  }

  /** Starts a server, and waits until it takes connections. */
  async serve(port: number, ...command: string[]): Promise<void> {
    this.#servers.push(new Group(command, { PATH: `${home}/bin:/usr/bin:/bin` }, "ignore"));
    if (!(await until(patience, () => isServed(port)))) throw new Error(`nobody listens at ${port}`);
  }

  async end(): Promise<void> {
    for (const group of [this.#daemons, ...this.#servers]) await group.kill();
  }
}

const envelopeOf = (sender: string | Buffer, recipients: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(
    [["F", sender] as const, ...recipients.map((recipient) => ["T", recipient] as const)]
      .flatMap(([letter, address]) => [Buffer.from(letter), Buffer.from(address as string), Buffer.of(0)])
      .concat(Buffer.of(0)),
  );

/** Has somebody hand a message to bin/qmail-queue, with any bytes for addresses. */
export function queue(
  work: string,
  { uid, gid }: Ids,
  sender: string | Buffer,
  recipients: readonly (string | Buffer)[],
  text = "Subject: x\n\n",
): void {
  const place = join(work, "envelope");
  writeFileSync(place, envelopeOf(sender, recipients));
  chmodSync(place, 0o644);
  const child = Bun.spawnSync(["/bin/sh", "-c", `exec ${home}/bin/qmail-queue 1<${place}`], {
    stdin: Buffer.from(text, "latin1"),
    env: {},
    uid,
    gid,
  } as object);
  if (child.exitCode !== 0) throw new Error(`qmail-queue: ${child.exitCode}`);
}

/** A process as /proc shows it. */
export interface Process {
  pid: number;
  /** Argument 0 without its directory, and the rest. */
  name: string;
  words: string[];
  /** Real, effective, saved and file system number of the user. */
  uid: number[];
  parent: number;
}

export function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid): Process[] => {
      const [first = "", ...words] = (readProcess(pid, "cmdline") ?? "").split("\0").slice(0, -1);
      const status = readProcess(pid, "status") ?? "";
      const field = (name: string) =>
        (new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "").split("\t");
      if (first === "" || field("State")[0]?.startsWith("Z")) return [];
      return [
        {
          pid: Number(pid),
          name: first.slice(first.lastIndexOf("/") + 1),
          words,
          uid: field("Uid").map(Number),
          parent: Number(field("PPid")[0]),
        },
      ];
    });
}

/** The only process with this name, and what else is asked of it; waits for it. */
export async function theProcess(
  name: string,
  also: (process: Process) => boolean = () => true,
): Promise<Process> {
  let found: Process[] = [];
  await until(patience, () => {
    found = processes().filter((process) => process.name === name && also(process));
    return found.length > 0;
  });
  const [first] = found;
  if (first === undefined) throw new Error(`no process ${name}`);
  return first;
}

/** Runs Python as somebody, with a value; returns what it printed as JSON. */
export async function asSomebody<Result>({ uid, gid }: Ids, code: string, value: unknown): Promise<Result> {
  const frame = `import ctypes, errno, json, os, resource, signal, stat, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
value = json.loads(sys.stdin.read())
os.setgroups([]); os.setgid(${gid}); os.setuid(${uid}); os.chdir("/")
${code}
print(json.dumps(result))`;
  const child = Bun.spawn(["python3", "-c", frame], {
    stdio: [Buffer.from(JSON.stringify(value)), "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(err);
  return JSON.parse(out) as Result;
}

/** Paths of the regular files below a part of the queue, absolute. */
export function filesOf(part: string): string[] {
  return readdirSync(join(home, "queue", part), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Runs a script of this directory in namespaces of its own, and returns what it observed. Needs root. */
export async function observeIn<Seen>(script: string): Promise<Seen> {
  const work = mkdtempSync(join(tmpdir(), "qmail-security-"));
  try {
    const child = Bun.spawn([...unshare, process.execPath, join(import.meta.dir, script), work], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(err);
    return JSON.parse(out) as Seen;
  } finally {
    rmSync(work, { recursive: true });
  }
}
