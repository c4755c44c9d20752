/**
 * A private view of the file system for tests that run as root: own /etc/passwd and /etc/group with qmail's users, an
 * empty /var/qmail. Made inside a mount namespace, so the machine itself never changes.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { groupLines, passwdLines } from "./users.ts";

/**
 * Its first process inherits what others leave behind, and has to collect the dead: thousands of them slow everything
 * that looks through /proc, and in the end there are no numbers for new processes. A shell does, and a runtime does not.
 */
const collector = ["sh", "-c", '"$@"; exit $?', "sh"];

/** The command that runs another one in a namespace for mounts and one for processes, with which all of it goes away. */
export const namespace = [
  "unshare",
  ...["--mount", "--propagation", "private"],
  ...["--pid", "--fork", "--kill-child", "--mount-proc"],
  ...collector,
];

/** The same, and without a network. Needs root. */
export const unshare = ["unshare", "--net", ...namespace];

/** Whether this machine lets us make such namespaces. */
export function canUnshare(): boolean {
  if (process.geteuid?.() !== 0 || Bun.which("unshare") === null) return false;
  return Bun.spawnSync([...unshare, "true"], { stdio: ["ignore", "ignore", "ignore"] }).exitCode === 0;
}

function mount(...words: string[]): void {
  const result = Bun.spawnSync(["mount", ...words]);
  if (result.exitCode !== 0) throw new Error(`mount ${words.join(" ")}: ${result.stderr.toString()}`);
}

/** Mounts an empty file system in memory; root's, mode 0755. */
export function mountEmpty(directory: string): void {
  mkdirSync(directory, { recursive: true });
  mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", directory);
}

/** Makes the tree or file `from` appear at `to` as well. */
export function bind(from: string, to: string): void {
  mount("--bind", from, to);
}

const devices = ["null", "zero", "full", "random", "urandom", "tty"];

/** Makes /dev private as well: only the usual devices are in it, and what is created there is gone afterwards. */
export function privateDevices(work: string): void {
  const place = join(work, "dev");
  mountEmpty(place);
  for (const name of devices) {
    writeFileSync(join(place, name), "");
    bind(`/dev/${name}`, join(place, name));
  }
  for (const [name, target] of Object.entries({ fd: "", stdin: "/0", stdout: "/1", stderr: "/2" }))
    symlinkSync(`/proc/self/fd${target}`, join(place, name));
  mount("--rbind", place, "/dev");
}

const home = "/var/qmail";
const resolverFile = "/etc/resolv.conf";

/**
 * To be called inside the namespace. `work` is a directory of the caller. Returns the path of the file that is now
 * /etc/passwd, with what belongs in it.
 */
export function privateSystem(
  work: string,
  people: readonly string[] = [],
): { passwd: string; lines: string[] } {
  if (existsSync(home)) mountEmpty(home);
  else mountEmpty("/var");
  mkdirSync(home, { recursive: true });
  const lines = [...linesOf("/etc/passwd"), ...passwdLines(home), ...people];
  const passwd = replace(work, "passwd", lines);
  const groups = people.map((line) => line.split(":")).map(([name, , uid]) => `${name}:x:${uid}:`);
  replace(work, "group", [...linesOf("/etc/group"), ...groupLines, ...groups]);
  if (existsSync(resolverFile)) bind(ownNameServer(work), resolverFile);
  Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
  return { passwd, lines };
}

/** Nothing outside can be asked for names here, only what a test starts on 127.0.0.1. */
function ownNameServer(work: string): string {
  const copy = join(work, "resolv.conf");
  writeFileSync(copy, "nameserver 127.0.0.1\n", { mode: 0o644 });
  return copy;
}

/** The lines that do not stand in the way of ours: no qmail users, no numbers from 1001 to 1099. */
function linesOf(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => /^[^:]+:[^:]*:\d/.test(line) && !/^[^:]*:[^:]*:10\d\d:/.test(line))
    .filter((line) => !/^(alias|qmail.?|nofiles):/.test(line));
}

function replace(work: string, name: string, lines: readonly string[]): string {
  const copy = join(work, name);
  writeFileSync(copy, `${lines.join("\n")}\n`, { mode: 0o644 });
  bind(copy, `/etc/${name}`);
  return copy;
}
