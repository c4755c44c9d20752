/** Writable copies of system directories inside a mount namespace: what is changed there is gone afterwards. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountEmpty } from "./namespace.ts";

function run(...command: string[]): void {
  const result = Bun.spawnSync(command, { stdio: ["ignore", "ignore", "pipe"] });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr.toString()}`);
}

/** Lays an empty layer over a directory. `layers` is in memory, for a place to keep it. */
function overlay(layers: string, directory: string): void {
  const name = directory.replaceAll("/", "_");
  const [upper, work] = [join(layers, name, "upper"), join(layers, name, "work")];
  for (const path of [upper, work]) mkdirSync(path, { recursive: true });
  const options = `lowerdir=${directory},upperdir=${upper},workdir=${work}`;
  run("mount", "-t", "overlay", "overlay", "-o", options, directory);
}

const accountFiles = ["passwd", "group", "shadow", "gshadow"];
const ofQmail = /^(alias|qmail.?|nofiles|joe|ann):/;

/**
 * To be called inside the namespace: /etc, /usr/bin, /usr/sbin, /usr/lib, /var and /srv may be changed, none of qmail's users is there,
 * and neither is /var/qmail. `people` are lines of /etc/passwd.
 */
export function pristineSystem(work: string, people: readonly string[]): void {
  const layers = join(work, "layers");
  mountEmpty(layers);
  for (const directory of ["/etc", "/usr/bin", "/usr/sbin", "/usr/lib", "/var", "/srv"])
    overlay(layers, directory);
  for (const file of accountFiles)
    rewrite(`/etc/${file}`, (lines) => lines.filter((line) => !ofQmail.test(line)));
  rewrite("/etc/passwd", (lines) => [...lines, ...people]);
  rewrite("/etc/group", (lines) => [
    ...lines,
    ...people.map((line) => line.split(":")).map(([name, , uid]) => `${name}:x:${uid}:`),
  ]);
  run("rm", "-rf", "/var/qmail", "/usr/sbin/sendmail", "/usr/lib/sendmail");
  writeFileSync("/etc/resolv.conf", "nameserver 127.0.0.1\n");
  run("ip", "link", "set", "lo", "up");
}

function rewrite(file: string, change: (lines: string[]) => string[]): void {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  writeFileSync(file, `${change(lines).join("\n")}\n`);
}
