/**
 * Hostile users, addresses and messages at a system-wide qmail: what joe puts into his home, what addresses say, and
 * what comes of it. Run by deliveries.test.ts inside namespaces of its own; prints what it observed as JSON. As root, it
 * prints a table:
 *
 *   bun test/security/deliveries.ts
 */

import { createHash } from "node:crypto";
import { appendFileSync, chmodSync, chownSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { readProcess } from "../helpers/home.ts";
import { type Row, rows } from "./deliveries-rows.ts";
import {
  give,
  giveMaildir,
  home,
  homeOf,
  host,
  idsOf,
  installMachine,
  Machine,
  observeIn,
  queue,
  run,
  theProcess,
} from "./machine.ts";

/** What a row came to. */
export interface Outcome {
  group: string;
  name: string;
  expected: string;
  outcome: string;
}

export interface Deliveries {
  outcomes: Outcome[];
  /** Files that are joe's, outside his home. */
  strays: string[];
  /** What there is of code that should not have run, in joe's home or anywhere. */
  ran: string[];
  /** Whether /etc/passwd, ann's files and the settings are as they were. */
  untouched: boolean;
  /** Peaks of memory, in MB: the root process and qmail-send. */
  memory: Record<string, number>;
}

/** Empties joe's home, but for a Maildir. */
function tidy(place: string): void {
  const { uid, gid } = idsOf("joe");
  run("find", place, "-mindepth", "1", "-delete");
  chmodSync(place, 0o755);
  chownSync(place, uid, gid);
  giveMaildir(`${place}/Maildir`, { uid, gid });
}

function shell(command: string, place: string, ids: { uid: number; gid: number }): string {
  const child = Bun.spawnSync(["/bin/sh", "-c", command], {
    cwd: place,
    stdin: "ignore",
    env: { PATH: "/usr/bin:/bin" },
    ...ids,
  } as object);
  return child.stdout.toString().trim();
}

const root = { uid: 0, gid: 0 };

/** How the first delivery ended of the first message that somebody sent since then. Bounces are qmails's. */
async function outcomeOf(sender: string, since: number, machine: Machine): Promise<string> {
  const find = (words: RegExp) => words.exec(machine.log.slice(since))?.[1];
  const outcome = () => {
    const message = find(new RegExp(`^info msg (\\d+): .* uid ${idsOf(sender).uid}$`, "m"));
    const number = find(new RegExp(`^starting delivery (\\d+): msg ${message} `, "m"));
    return find(new RegExp(`^delivery ${number}: (.*)$`, "m"));
  };
  await machine.until(() => outcome() !== undefined);
  return outcome() ?? "";
}

async function deliver(row: Row, number: number, machine: Machine): Promise<Outcome> {
  const place = homeOf(machine.work, "joe");
  tidy(place);
  if (row.before) shell(row.before, place, idsOf("joe"));
  if (row.asRoot) shell(row.asRoot, place, root);
  const earlier = machine.log.length;
  const recipient = Buffer.from(`${row.to ?? "joe"}@${host}`, "latin1");
  queue(machine.work, idsOf("ann"), row.sender ?? `row${number}@${host}`, [recipient], row.text);
  const words = await outcomeOf(row.loops ? "joe" : "ann", earlier, machine);
  const shown = /^success: x{1000}.*Error_report_too_long/.test(words) ? "success: cut" : words;
  const after = row.after === undefined ? "" : ` | ${shell(row.after, place, root)}`;
  const ran = row.group !== "program" && existsSync(`${place}/ran`) ? " (and code ran)" : "";
  return { group: row.group, name: row.name, expected: row.expected, outcome: shown + after + ran };
}

/** What must not change: accounts, settings, and ann's files but for mail that she gets. */
function fingerprint(work: string): string {
  const files = run("find", "/etc/passwd", "/etc/shadow", `${home}/control`, `${work}/ann`, "-type", "f");
  const hash = createHash("sha256");
  for (const path of files.trim().split("\n").sort()) hash.update(path).update(readFileSync(path));
  return hash.digest("hex");
}

const peak = (pid: number): number =>
  Math.round(Number(/^VmHWM:\s+(\d+)/m.exec(readProcess(pid, "status") ?? "")?.[1]) / 1024);

async function observe(work: string): Promise<Deliveries> {
  installMachine(work);
  appendFileSync("/etc/passwd", "toor:x:0:0::/root:/bin/sh\n");
  give(`${work}/ann/Mbox`, idsOf("ann"), "", 0o600);
  give(`${work}/ann/.qmail-secret`, idsOf("ann"), "#\n", 0o600);
  give(`${home}/alias/.qmail-friends`, root, "#\n");
  const before = fingerprint(work);
  const machine = new Machine(work);
  await machine.ready();
  const outcomes: Outcome[] = [];
  for (const [number, row] of rows.entries()) outcomes.push(await deliver(row, number, machine));
  const untouched = before === fingerprint(work);
  const memory: Record<string, number> = {};
  for (const name of ["qmail-lspawn", "qmail-send"]) memory[name] = peak((await theProcess(name)).pid);
  run("rm", `${home}/users/cdb`);
  // All are still there, and ann gets her mail.
  queue(work, idsOf("joe"), `last@${host}`, [`ann@${host}`]);
  await machine.until(() => readdirSync(`${work}/ann/Maildir/new`).length === 1);
  await machine.end();
  const where = ["/etc", "/tmp", "/usr/bin", "/usr/lib", "/var", "/dev/shm"];
  const skipped = ["(", "-path", `${work}/layers`, "-o", "-path", `${work}/joe`, ")", "-prune", "-o"];
  const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
  return {
    outcomes,
    strays: lines(run("find", ...where, ...skipped, "-uid", String(idsOf("joe").uid), "-print")),
    ran: lines(run("find", "/", "-maxdepth", "1", "-name", "ran")).concat(
      lines(run("find", ...where, "-path", `${work}/layers`, "-prune", "-o", "-name", "ran", "-print")),
    ),
    untouched,
    memory,
  };
}

/** All of it, in namespaces of its own. Needs root. */
export const observed = (): Promise<Deliveries> => observeIn<Deliveries>("deliveries.ts");

function show({ outcomes, ...rest }: Deliveries): void {
  for (const { group, name, expected, outcome } of outcomes)
    console.log(
      `${group.padEnd(14)}${name.padEnd(52)}${outcome}${outcome === expected ? "" : `\n    EXPECTED ${expected}`}`,
    );
  console.log(JSON.stringify(rest, null, 1));
}

if (import.meta.main) {
  const [work] = process.argv.slice(2);
  if (work === undefined) show(await observed());
  else console.log(JSON.stringify(await observe(work)));
}
