/**
 * `qmail setup` on a machine that has never seen qmail, and on one that has another qmail: what it makes, with which
 * owners, what a second run changes, and whether mail arrives. Run by system-wide-setup.test.ts inside namespaces of
 * its own; prints what it observed as JSON.
 *
 *   unshare --mount ... bun test/scenarios/system-wide-setup.ts WORK-DIRECTORY fresh|adopted|bare|killed|staged
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Group, host, programs, until } from "../helpers/home.ts";
import { mountEmpty } from "../helpers/namespace.ts";
import { pristineSystem } from "../helpers/overlay.ts";
import { patience } from "../helpers/patience.ts";

const home = "/var/qmail";
const joe = 1008;
const ann = 1009;

/** A program's end. */
export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** One entry of a tree: owner and group by name, mode, and what a link leads to. */
export type Listing = Record<string, string>;

/** Installing on a machine without any qmail. */
export interface Fresh {
  dryRun: Ran;
  /** After the dry run: whether there is a home, or an account. */
  changedByDryRun: boolean;
  setup: Ran;
  tree: Listing;
  passwd: string[];
  check: Ran;
  again: Ran;
  /** What the second run changed. */
  changed: string[];
  /** Broken on purpose, and what check says about each. */
  broken: Ran;
  /** After `qmail setup` once more. */
  mended: Ran;
  sent: number;
  ann: string[];
  bounced: string[];
  postmaster: string[];
  links: Listing;
  units: Ran | undefined;
}

/** Adopting the tree of another qmail. */
export interface Adopted {
  first: Ran;
  /** Files of queue, control, users, alias and bin that the first run has changed or removed. */
  touched: string[];
  replaced: Ran;
  /** The same after --replace, without bin. */
  touchedByReplacing: string[];
  kept: Listing;
  queueProgram: string;
  split: number;
  check: Ran;
  again: Ran;
  ann: string[];
}

/** Without the tools that it needs. */
export interface Bare {
  noAccounts: Ran;
  noCompiler: Ran;
  check: Ran;
  notRoot: Ran;
  foreignQueue: Ran;
}

/** From a staging tree. */
export interface Staged {
  made: Ran;
  inStage: Listing;
  before: Ran;
  setup: Ran;
  tree: Listing;
  check: Ran;
}

/** Interrupted set-ups. */
export interface Killed {
  /** System calls of one run that change something. */
  changes: number;
  killed: number;
  /** Runs after a killed one that did not end well, and those that left another tree than a run at one go. */
  failed: string[];
  different: string[];
}

/** How many set-ups are killed. */
const killings = 24;

function run(command: readonly string[], environment: Record<string, string> = {}, uid = 0): Ran {
  const child = Bun.spawnSync([...command], {
    stdin: "ignore",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", TMPDIR: "/var/tmp", ...environment },
    ...(uid === 0 ? {} : ({ uid, gid: uid } as object)),
  });
  return { code: child.exitCode, out: child.stdout.toString(), err: child.stderr.toString() };
}

const qmail = (...words: string[]): Ran => run([join(programs, "qmail"), ...words]);

/** The names behind the numbers, by a file of /etc. */
function namesIn(file: string): Map<number, string> {
  return new Map(
    readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .map(([name = "", , number]) => [Number(number), name] as const)
      .reverse(),
  );
}

/** Every entry below a directory, as `ls -l` shows it. */
function listing(root: string): Listing {
  const [users, groups] = [namesIn("/etc/passwd"), namesIn("/etc/group")];
  const found: Listing = {};
  const visit = (path: string): void => {
    const stat = lstatSync(path);
    const kind = stat.isDirectory() ? "d" : stat.isFIFO() ? "p" : stat.isSymbolicLink() ? "l" : "-";
    const owner = `${users.get(stat.uid)}:${groups.get(stat.gid)}`;
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
    found[path] = kind === "l" ? `l ${readlinkSync(path)}` : `${kind} ${owner} ${mode}`;
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
  };
  visit(root);
  return found;
}

/** What tells whether a file was touched: its place on the disk, times, owner, mode, content. */
function fingerprints(...roots: string[]): Map<string, string> {
  const found = new Map<string, string>();
  const contents = new Map<string, string>();
  // The programs are one file with many names.
  const contentOf = (path: string, file: string): string => {
    const known = contents.get(file) ?? createHash("sha1").update(readFileSync(path)).digest("hex");
    contents.set(file, known);
    return known;
  };
  const visit = (path: string): void => {
    const stat = lstatSync(path);
    const content = stat.isFile() ? contentOf(path, `${stat.dev} ${stat.ino}`) : "";
    const times = stat.isDirectory() ? stat.mtimeMs : stat.ctimeMs;
    found.set(path, [stat.ino, stat.uid, stat.gid, stat.mode, stat.nlink, times, content].join(" "));
    if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
  };
  for (const root of roots) visit(root);
  return found;
}

function differences(before: Map<string, string>, after: Map<string, string>): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path)).sort();
}

function makePeople(work: string): string[] {
  return Object.entries({ joe, ann }).map(([name, uid]) => {
    const path = join(work, name);
    for (const directory of [path, ...["", "/tmp", "/new", "/cur"].map((part) => `${path}/Maildir${part}`)]) {
      mkdirSync(directory, { mode: 0o700 });
      chownSync(directory, uid, uid);
    }
    return `${name}:x:${uid}:${uid}::${path}:/bin/sh`;
  });
}

function texts(directory: string): string[] {
  return existsSync(directory)
    ? readdirSync(directory).map((file) => readFileSync(join(directory, file), "latin1"))
    : [];
}

const mailOf = (work: string, name: string): string[] => texts(join(work, name, "Maildir/new"));

/** joe sends by a program, as his shell would. */
async function joeSends(command: string[], text: string): Promise<number> {
  const child = Bun.spawn(command, {
    stdio: [new Blob([text]), "ignore", "inherit"],
    env: { PATH: "/usr/bin:/bin", USER: "joe" },
    uid: joe,
    gid: joe,
  } as Bun.SpawnOptions.OptionsObject<Blob, "ignore", "inherit">);
  return await child.exited;
}

/** Starts the mail system until it is so, and ends it. */
async function whileRunning(isSo: () => boolean): Promise<void> {
  const daemons = new Group([`${home}/rc`], {}, "ignore");
  await until(patience, isSo);
  daemons.signal("SIGTERM");
  await daemons.ended();
  await daemons.kill();
}

const breakages = [
  `chmod 755 ${home}/queue/todo`,
  `chown root ${home}/queue/mess/7`,
  `chmod 755 ${home}/bin/qmail-queue`,
  `rm ${home}/queue/lock/trigger ${home}/bin/qmail-local`,
  `printf 'test.example\\r\\n' > ${home}/control/locals`,
  `rm ${home}/control/rcpthosts`,
  `echo twenty > ${home}/control/concurrencyremote`,
  `printf '=ann:ann:${ann}:${ann}:/nowhere:::\\n.\\n' > ${home}/users/assign`,
  `touch ${home}/queue/todo/77; chown qmailq ${home}/queue/todo/77`,
];

const mends = [
  `rm ${home}/queue/todo/77 ${home}/users/assign ${home}/control/concurrencyremote`,
  `printf 'test.example\\nlocalhost\\n' | tee ${home}/control/locals > ${home}/control/rcpthosts`,
];

async function fresh(work: string): Promise<Fresh> {
  const options = ["--host", host, "--sendmail", "--systemd"];
  const dryRun = qmail("setup", ...options, "--dry-run");
  const changedByDryRun = existsSync(home) || /^qmail/m.test(readFileSync("/etc/passwd", "utf8"));
  const setup = qmail("setup", ...options);
  const tree = listing(home);
  const check = run([`${home}/bin/qmail`, "check", "--no-dns", "--json"]);
  const watched = [home, "/etc/passwd", "/etc/group", "/usr/sbin/sendmail", "/etc/systemd/system"];
  const before = fingerprints(...watched);
  const again = qmail("setup", ...options);
  const changed = differences(before, fingerprints(...watched));
  for (const command of breakages) run(["sh", "-c", command]);
  const broken = qmail("check", "--no-dns", "--json");
  for (const command of mends) run(["sh", "-c", command]);
  qmail("setup");
  const mended = qmail("check", "--no-dns", "--json");

  const sent = await joeSends(["/usr/sbin/sendmail", `ann@${host}`], "Subject: first\n\nHello Ann.\n");
  await joeSends(["/usr/lib/sendmail", `nobody-here@${host}`, "postmaster"], "Subject: second\n\nHi.\n");
  await whileRunning(
    () =>
      mailOf(work, "ann").length + mailOf(work, "joe").length + texts(`${home}/alias/Maildir/new`).length >=
      3,
  );
  const verify = "systemd-analyze verify --man=no /etc/systemd/system/qmail-*";
  return {
    dryRun,
    changedByDryRun,
    setup,
    tree,
    passwd: readFileSync("/etc/passwd", "utf8").split("\n"),
    check,
    again,
    changed,
    broken,
    mended,
    sent,
    ann: mailOf(work, "ann"),
    bounced: mailOf(work, "joe"),
    postmaster: texts(`${home}/alias/Maildir/new`),
    links: { ...listing("/usr/sbin/sendmail"), ...listing("/usr/lib/sendmail") },
    units: Bun.which("systemd-analyze") === null ? undefined : run(["sh", "-c", verify]),
  };
}

const otherSplit = 7;
const otherPrograms = ["qmail-send", "qmail-local", "qmail-queue", "qmail-inject", "qmail-smtpd"];

/** The tree of another qmail, as it is found: other split, own settings, mail in the queue, programs that are not ours. */
async function makeOther(work: string): Promise<void> {
  // Its users and the queue's form are those that any qmail has; a message comes into it by a program of ours.
  qmail("setup", "--host", host);
  rmSync(`${home}/queue`, { recursive: true });
  qmail("setup");
  for (const part of ["mess", "info", "local", "remote"])
    for (let folder = otherSplit; folder < 23; folder++)
      rmSync(`${home}/queue/${part}/${folder}`, { recursive: true });
  await joeSends([`${home}/bin/qmail-inject`, `ann@${host}`], "Subject: waiting\n\nSince then.\n");
  writeFileSync(`${home}/control/queuelifetime`, "86400\n");
  rmSync(`${home}/control/plusdomain`);
  writeFileSync(`${home}/alias/.qmail-friends`, "&ann\n");
  writeFileSync(
    `${home}/rc`,
    `#!/bin/sh\nexec env - PATH=${home}/bin:/usr/bin:/bin qmail-start ./Maildir/\n`,
  );
  writeFileSync(`${home}/users/assign`, `=ann:ann:${ann}:${ann}:${work}/ann:::\n.\n`);
  run([`${home}/bin/qmail-newu`]);
  for (const name of readdirSync(`${home}/bin`)) rmSync(`${home}/bin/${name}`);
  for (const name of otherPrograms) {
    writeFileSync(`${home}/bin/${name}`, `#!/bin/sh\n# ${name} of another qmail\nexit 111\n`, {
      mode: 0o711,
    });
    chmodSync(`${home}/bin/${name}`, 0o711);
  }
  chmodSync(`${home}/bin/qmail-queue`, 0o4711);
  writeFileSync(`${home}/man/man8/qmail-queue.8`, ".TH qmail-queue 8\n");
}

async function adopted(work: string): Promise<Adopted> {
  await makeOther(work);
  const theirs = ["queue", "control", "users", "alias"].map((part) => join(home, part));
  const before = fingerprints(...theirs, `${home}/rc`, `${home}/man/man8/qmail-queue.8`);
  const bins = new Map(otherPrograms.map((name) => [name, readFileSync(`${home}/bin/${name}`, "latin1")]));
  const first = qmail("setup", "--host", "other.example");
  const now = fingerprints(...theirs, `${home}/rc`, `${home}/man/man8/qmail-queue.8`);
  const touched = [
    ...differences(before, now),
    ...otherPrograms.filter((name) => readFileSync(`${home}/bin/${name}`, "latin1") !== bins.get(name)),
  ];
  const replaced = qmail("setup", "--replace");
  const touchedByReplacing = differences(
    fingerprints(...theirs),
    new Map([...before].filter(([path]) => theirs.some((part) => path.startsWith(part)))),
  );
  const check = qmail("check", "--no-dns", "--json");
  const again = qmail("setup", "--replace");
  await whileRunning(() => mailOf(work, "ann").length >= 1);
  return {
    first,
    touched,
    replaced,
    touchedByReplacing,
    kept: listing(`${home}/before`),
    queueProgram: listing(`${home}/bin/qmail-queue`)[`${home}/bin/qmail-queue`] ?? "",
    split: readdirSync(`${home}/queue/mess`).length,
    check,
    again,
    ann: mailOf(work, "ann"),
  };
}

/** A tree that joe makes as for a package, and root unpacks. */
async function staged(work: string): Promise<Staged> {
  const stage = join(work, "joe/stage");
  run(["mkdir", stage], {}, joe);
  const made = run([join(programs, "qmail"), "setup", "--host", host, "--prefix", stage], {}, joe);
  const inStage = listing(stage);
  run(["cp", "-a", "--no-preserve=ownership", join(stage, "var/qmail"), "/var/"]);
  const before = qmail("check", "--no-dns", "--json");
  const setup = run([`${home}/bin/qmail`, "setup"]);
  return { made, inStage, before, setup, tree: listing(home), check: qmail("check", "--no-dns", "--json") };
}

const compilers = ["cc", "gcc", "clang"].map((name) => `/usr/bin/${name}`);

async function bare(): Promise<Bare> {
  run(["mv", "/usr/sbin/useradd", "/usr/sbin/hidden"]);
  const noAccounts = qmail("setup", "--host", host);
  run(["mv", "/usr/sbin/hidden", "/usr/sbin/useradd"]);
  const notRoot = run([join(programs, "qmail"), "setup"], {}, joe);
  run(["rm", "-f", ...compilers]);
  const noCompiler = qmail("setup", "--host", host);
  const check = qmail("check", "--no-dns", "--json");
  run(["chown", "joe", `${home}/queue`]);
  const foreignQueue = qmail("setup");
  return { noAccounts, noCompiler, check, notRoot, foreignQueue };
}

/** Calls by which a set-up changes something. */
const changing = "mkdir,rename,link,symlink,unlink,chmod,fchmod,chown,lchown,mknod,mknodat,ftruncate,fsync";

/** Kills `qmail setup` with its n-th change, for some n over all of its run, and lets the next one finish. */
async function killed(): Promise<Killed> {
  const options = ["setup", "--host", host, "--sendmail"];
  qmail(...options);
  const forget = () => run(["rm", "-rf", home, "/usr/sbin/sendmail", "/usr/lib/sendmail"]);
  const whole = (): Listing => ({ ...listing(home), ...listing("/usr/sbin/sendmail") });
  forget();
  qmail(...options);
  const expected = whole();
  // Without -f: only what this process does itself, not the compiler.
  const traced = (...more: string[]): Ran =>
    run([
      "strace",
      "-o",
      "/var/tmp/changes",
      "-e",
      `trace=${changing}`,
      ...more,
      join(programs, "qmail"),
      ...options,
    ]);
  forget();
  traced();
  const calls = [...readFileSync("/var/tmp/changes", "latin1").matchAll(/^(\w+)\(/gm)].map(
    ([, name = ""]) => name,
  );
  const result: Killed = { changes: calls.length, killed: 0, failed: [], different: [] };
  for (let at = 0; at < calls.length; at += Math.ceil(calls.length / killings)) {
    const name = calls[at] ?? "";
    // strace counts the calls of each name.
    const ordinal = calls.slice(0, at + 1).filter((call) => call === name).length;
    forget();
    const { code } = traced("-e", `inject=${name}:signal=KILL:when=${ordinal}`);
    if (code !== 0) result.killed++;
    const next = qmail(...options);
    if (next.code !== 0) result.failed.push(`${name} ${ordinal}: ${next.err}`);
    const now = whole();
    const other = Object.keys({ ...expected, ...now }).filter((path) => expected[path] !== now[path]);
    if (other.length > 0) result.different.push(`${name} ${ordinal}: ${other.join(" ")}`);
  }
  return result;
}

if (import.meta.main) {
  const [work = "", what = ""] = process.argv.slice(2);
  mountEmpty(work);
  pristineSystem(work, makePeople(work));
  const scenario = { fresh, adopted, bare, killed, staged }[what];
  if (scenario === undefined) throw new Error(`no scenario ${what}`);
  console.log(JSON.stringify(await scenario(work)));
}
