/**
 * Where it is measured: an ext4 image on a loop device and a tmpfs, below /mnt, in mount and process namespaces of our
 * own. Everything in them is gone when the first process ends, however it ends.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** The clone. */
export const root = resolve(import.meta.dir, "..");
/** Directory of the built programs. */
export const built = resolve(process.env.QMAIL_TS_BIN ?? join(root, "dist/bin"));
/** What all files of the bench lie under. */
export const base = "/mnt";
/** For the bench's own files; not measured. */
export const scratch = join(base, "work");
const groups = join(base, "cgroup");

/** Kinds of file systems. */
export type Kind = "ext4" | "tmpfs";
const places: Readonly<Record<Kind, string>> = { ext4: join(base, "disk"), tmpfs: join(base, "memory") };

/** Runs a program of the system; throws with what it said if it fails. Returns its output. */
export function tool(...command: string[]): string {
  const done = Bun.spawnSync(command, { stdio: ["ignore", "pipe", "pipe"] });
  if (done.exitCode !== 0)
    throw new Error(`bench: ${command.join(" ")}: exit ${done.exitCode}: ${done.stderr.toString().trim()}`);
  return done.stdout.toString();
}

/** The command that runs another one in namespaces of its own; what it leaves running dies with it. */
export const unshare: readonly string[] = [
  ...["unshare", "--mount", "--propagation", "private"],
  ...["--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
];

const gibibyte = 2 ** 30;

/** Mounts everything. To be called once, inside the namespaces. Returns the name of the loop device. */
export function prepare(images: string): string {
  tool("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", base);
  for (const place of [...Object.values(places), scratch, groups]) mkdirSync(place);
  tool("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", places.tmpfs);
  tool("mount", "-t", "cgroup2", "none", groups);
  tool("ip", "link", "set", "lo", "up");
  const image = join(images, `qmail-bench.${process.pid}.${Date.now()}.img`);
  try {
    if (memoryOnly(images))
      throw new Error(`bench: ${images} lies in memory; --images DIR names a place on a disk`);
    tool("truncate", "-s", String(12 * gibibyte), image);
    // Only what mkfs leaves for a kernel thread to do later is done at once; the file system is as ever.
    tool("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image);
    tool("mount", "-o", "loop", image, places.ext4);
  } finally {
    // The loop device holds it; with the last mount it is gone, even if we are killed.
    rmSync(image, { force: true });
  }
  return tool("findmnt", "-no", "SOURCE", places.ext4).trim().replace("/dev/", "");
}

function memoryOnly(directory: string): boolean {
  const [tmpfs, ramfs] = [0x01021994, 0x858458f6];
  return [tmpfs, ramfs].includes(statfsSync(directory).type);
}

/** Lays a writable copy, in memory, of the directories over one of the system's. */
export function overlay(target: string, lower: readonly string[]): void {
  const layers = join(scratch, `layers${target.replaceAll("/", "-")}`);
  for (const part of ["upper", "work"]) mkdirSync(join(layers, part), { recursive: true });
  const directories = [...lower, target].filter((directory) => existsSync(directory)).join(":");
  const options = `lowerdir=${directories},upperdir=${layers}/upper,workdir=${layers}/work`;
  tool("mount", "-t", "overlay", "overlay", "-o", options, target);
}

/** The directory of a run, always the same. */
export const lastDirectory = (kind: Kind): string => join(places[kind], "run");

/** Makes that directory, and empty. */
export function freshDirectory(kind: Kind): string {
  const directory = lastDirectory(kind);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { mode: 0o755 });
  return directory;
}

/** Removes what a run left, and lets the disk come to rest. */
export function clear(kind: Kind): void {
  rmSync(lastDirectory(kind), { recursive: true, force: true });
  tool("sync");
}

/** Makes a cgroup for the processes of a mail system. */
export function makeGroup(): string {
  const group = join(groups, `qmail-bench-${process.env.QMAIL_BENCH ?? ""}-${++made}`);
  mkdirSync(group);
  return group;
}
let made = 0;

/** An account of the machine. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

const originals = new Map<string, string>();

/** Adds accounts to /etc/passwd and /etc/group as they were, in our copy of /etc. */
export function setAccounts(accounts: readonly Account[], groupsToo: Readonly<Record<string, number>>): void {
  const write = (path: string, lines: readonly string[]) => {
    const before = originals.get(path) ?? readFileSync(path, "utf8");
    originals.set(path, before);
    const taken = new Set(before.split("\n").map((line) => line.split(":")[0]));
    const fresh = lines.filter((line) => !taken.has(line.split(":")[0]));
    writeFileSync(path, `${before.trimEnd()}\n${fresh.map((line) => `${line}\n`).join("")}`);
  };
  write(
    "/etc/passwd",
    accounts.map(({ name, uid, gid, home }) => `${name}:x:${uid}:${gid}::${home}:/bin/sh`),
  );
  write(
    "/etc/group",
    Object.entries(groupsToo).map(([name, gid]) => `${name}:x:${gid}:`),
  );
}

/** Copies a tree with owners, modes and FIFOs. */
export function copyTree(from: string, to: string): void {
  if (existsSync(to)) throw new Error(`bench: ${to} is there already`);
  tool("cp", "-a", from, to);
}
