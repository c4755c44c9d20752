/**
 * Root at work in directories that belong to qmail's users, one of whom has been taken over and has laid out links: what
 * `qmail setup`, `qmail check` and `qmail queue repair` do to what the links lead to. Run by setup.test.ts inside
 * namespaces of its own; prints what it observed as JSON.
 */
import { mkdirSync } from "node:fs";
import { home, idsOf, installMachine, observeIn, run } from "./machine.ts";

/** What somebody laid out, and what it leads to. */
export interface Trap {
  name: string;
  user: string;
  /** Run by a shell as the user, in the qmail home. */
  lay: string;
  /** Run as root afterwards, to put things back. */
  clear: string;
}

const victim = "/srv/victim";

/** A name of the queue's gives way to a link. */
const swap = (user: string, path: string, target: string): Trap => ({
  name: `${path} leads to ${target}`,
  user,
  lay: `mv ${path} ${path}.x && ln -s ${target} ${path}`,
  clear: `rm -f ${path}; mv ${path}.x ${path} || true`,
});

export const traps: readonly Trap[] = [
  swap("qmailq", "queue/lock/tcpto", "/etc/shadow"),
  swap("qmailq", "queue/lock/sendmutex", "/etc/passwd"),
  swap("qmailq", "queue/pid", "/etc"),
  swap("qmailq", "queue/mess", victim),
  swap("qmailq", "queue/lock", victim),
  swap("qmailq", "queue/mess/5", victim),
  swap("qmails", "queue/info/5", victim),
  swap("alias", "alias/Maildir", victim),
  swap("alias", "alias/Maildir/new", victim),
];

const commands = [["setup", "--host", "test.example"], ["check"], ["queue", "repair"]] as const;

export interface Seen {
  trap: string;
  /** What root's commands changed of the files that the link leads to; nothing is as it should be. */
  changed: string[];
  /** Whether everything is in order when the trap is gone. */
  after: number;
}

const qmail = (words: readonly string[]) =>
  Bun.spawnSync([`${home}/bin/qmail`, ...words], { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });

/** Owners and modes of all that the links lead to. */
const victims = (): string[] =>
  run("find", "/etc", "/etc/passwd", "/etc/shadow", victim, "-maxdepth", "1", "-printf", "%p %u:%g %m\\n")
    .split("\n")
    .sort();

function shell(command: string, ids: { uid: number; gid: number }): void {
  const child = Bun.spawnSync(["/bin/sh", "-c", command], {
    cwd: home,
    env: { PATH: "/usr/bin:/bin" },
    ...ids,
  } as object);
  if (child.exitCode !== 0) throw new Error(`${command}: ${child.stderr}`);
}

function tryOne({ name, user, lay, clear }: Trap): Seen {
  shell(lay, idsOf(user));
  const before = victims();
  for (const words of commands) qmail(words);
  const changed = victims().filter((line) => !before.includes(line));
  shell(clear, { uid: 0, gid: 0 });
  qmail(commands[0]);
  return { trap: name, changed, after: qmail(["check"]).exitCode };
}

/** Root's directory, with every name in it that is one of the queue's or of a Maildir. */
function makeVictim(): void {
  for (const name of ["", "tmp", "new", "cur", "0", "5"]) mkdirSync(`${victim}/${name}`);
  for (const name of ["tcpto", "sendmutex", "trigger", "77"]) run("touch", `${victim}/${name}`);
}

async function observe(work: string): Promise<Seen[]> {
  installMachine(work);
  makeVictim();
  return traps.map(tryOne);
}

/** All of it, in namespaces of its own. Needs root. */
export const observed = (): Promise<Seen[]> => observeIn<Seen[]>("setup.ts");

if (import.meta.main) {
  const [work] = process.argv.slice(2);
  console.log(JSON.stringify(work === undefined ? await observed() : await observe(work), null, 1));
}
