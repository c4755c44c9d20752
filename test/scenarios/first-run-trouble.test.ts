/** What can go wrong around a mail system: every message is delivered, returned, refused or still in the queue. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Home, makeHome, programs, type Running, run, startHome, until } from "./home.ts";

setDefaultTimeout(900_000);

const asRoot = process.geteuid?.() === 0;
const message = (subject: string): string => `Subject: ${subject}\n\nbody\n`;

let homes: Home[] = [];
let systems: Running[] = [];
afterEach(async () => {
  await Promise.all(systems.map((system) => system.stop()));
  for (const home of homes) home.dispose();
  homes = [];
  systems = [];
});

async function make(...args: Parameters<typeof makeHome>): Promise<Home> {
  const home = await makeHome(...args);
  homes.push(home);
  return home;
}

async function start(home: Home): Promise<Running> {
  const system = await startHome(home);
  systems.push(system);
  return system;
}

describe("mail that waits", () => {
  test("is delivered after a restart, and after kill -9 of everything", async () => {
    const home = await make({ users: ["ann"] });
    for (const subject of ["1", "2", "3"])
      expect((await home.inject(message(subject), ["ann"])).code).toBe(0);
    const first = await startHome(home);
    await until("three messages", () => home.maildir("ann").length === 3);
    for (const subject of ["4", "5"]) await home.inject(message(subject), ["ann"]);
    await first.killAll();
    await home.inject(message("6"), ["ann"]);
    await start(home);
    const subjects = () => new Set(home.messages("ann").map((text) => /^Subject: (.*)$/m.exec(text)?.[1]));
    await until("all six", () => subjects().size === 6);
    // Who is killed while a delivered message leaves may leave its text, which is swept after 36 hours.
    await until("nothing to deliver", () => home.queued("todo", "info").length === 0);
  });

  test("for a user who was removed meanwhile goes back to its sender", async () => {
    const home = await make({ users: ["ann", "joe"] });
    await home.inject(message("too late"), [`-fjoe@${home.host}`, "ann"]);
    expect((await home.run("qmail", ["user", "remove", "ann"])).code).toBe(0);
    await start(home);
    await until("the bounce", () => home.messages("joe").length === 1);
    expect(home.messages("joe")[0]).toContain("Sorry, no mailbox here by that name. (#5.1.1)");
    expect(home.messages("joe")[0]).toContain("Subject: too late");
    await until("an empty queue", () => home.queued().length === 0);
  });

  for (const missing of ["Maildir", "Maildir/tmp", "."])
    test(`is deferred while ${missing === "." ? "the mail directory" : missing} is missing, and delivered on ALRM`, async () => {
      const home = await make({ users: ["ann"] });
      const path = join(home.at("mail/ann"), missing);
      renameSync(path, home.at("away"));
      const system = await start(home);
      await home.inject(message("patience"), ["ann"]);
      await system.logged(/delivery 1: deferral: /);
      expect(home.queued("local")).toHaveLength(1);
      renameSync(home.at("away"), path);
      system.signal("SIGALRM");
      await until("the message", () => home.maildir("ann").length === 1);
      await until("an empty queue", () => home.queued().length === 0);
    });

  test("is deferred while users/cdb is damaged, and delivered when it is made anew", async () => {
    const home = await make({ users: ["ann"] });
    await Bun.write(home.at("users/cdb"), "no database");
    const system = await start(home);
    await home.inject(message("patience"), ["ann"]);
    await system.logged(/deferral: Trouble_reading_users\/cdb_in_qmail-lspawn/);
    expect((await home.run("qmail-newu")).code).toBe(0);
    system.signal("SIGALRM");
    await until("the message", () => home.maildir("ann").length === 1);
  });

  test("is deferred while qmail-local is missing, and delivered when it is back", async () => {
    const home = await make({ users: ["ann"] });
    rmSync(home.at("bin/qmail-local"));
    const system = await start(home);
    await home.inject(message("patience"), ["ann"]);
    await system.logged(/delivery 1: (deferral|failure): /);
    expect((await run([join(programs, "qmail"), "init", "--home", home.path])).stdout).toBe(
      `put back ${home.path}/bin/qmail-local\n`,
    );
    await home.inject(message("now"), ["ann"]);
    system.signal("SIGALRM");
    await until("the message", () => home.messages("ann").some((text) => text.includes("Subject: now")));
  });
});

describe("a home that is not there", () => {
  const nowhere = { QMAILHOME: "/nowhere/at/all" };
  const rows: readonly (readonly [program: string, args: string[], code: number, says: RegExp])[] = [
    ["qmail-inject", ["ann"], 111, /^qmail-inject: fatal: /],
    ["sendmail", ["ann"], 111, /^(sendmail|qmail-inject): fatal: /],
    ["qmail-queue", [], 61, /^$/],
    ["qmail-send", [], 111, /^/],
    ["qmail-start", ["./Maildir/"], 111, /^$/],
    ["qmail-newu", [], 111, /^qmail-newu: fatal: unable to chdir/],
    ["qmail-qread", [], 111, /^fatal: unable to chdir/],
    ["qmail-qstat", [], 0, /^qmail-qstat: warning: unable to read /m],
  ];
  for (const [program, args, code, says] of rows)
    test(`${program} ends with ${code}`, async () => {
      const outcome = await run([join(programs, program), ...args], {
        environment: nowhere,
        stdin: message("x"),
      });
      expect(outcome.stdout + outcome.stderr).toMatch(says);
      expect(outcome.code).toBe(code);
    });
});

describe("a queue that is not whole", () => {
  for (const directory of ["pid", "intd", "todo", "mess"])
    test(`without ${directory}: refused, nothing left behind, mended by init`, async () => {
      const home = await make();
      rmSync(home.at("queue", directory), { recursive: true });
      const refused = await home.inject(message("x"), [home.owner]);
      expect(refused.code).toBe(111);
      expect(refused.stderr).toContain("qq trouble creating files in queue (#4.3.0)");
      expect((await home.run("qmail", ["init"])).code).toBe(0);
      expect(home.queued("mess", "intd", "todo")).toEqual([]);
      expect((await home.inject(message("x"), [home.owner])).code).toBe(0);
      expect(home.queued("todo")).toHaveLength(1);
    });

  // Root may write everywhere; given to somebody else, the home runs as them.
  test(`that can not be written: refused, and taken when it can`, async () => {
    const home = await make(asRoot ? { user: "nobody" } : {});
    const { uid, gid } = statSync(home.path);
    const as = asRoot ? { as: { uid, gid } } : {};
    for (const directory of ["pid", "intd", "todo"]) {
      chmodSync(home.at("queue", directory), 0o500);
      const refused = await home.inject(message("x"), [home.owner], as);
      expect([directory, refused.code]).toEqual([directory, 111]);
      expect(refused.stderr).toContain("qq trouble creating files in queue (#4.3.0)");
      chmodSync(home.at("queue", directory), 0o700);
    }
    expect(home.queued("mess", "intd", "todo")).toEqual([]);
    expect((await home.inject(message("x"), [home.owner], as)).code).toBe(0);
    await start(home);
    await until("the message", () => home.maildir(home.owner).length === 1);
    expect(statSync(home.maildir(home.owner)[0] ?? "").uid).toBe(uid);
  });
});

describe("a full disk", () => {
  // A process namespace as well: should the test be cut off, nothing of it keeps running.
  const unshare = [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
  ];
  const canMount = asRoot && Bun.spawnSync([...unshare, "true"]).exitCode === 0;
  const directory = join(tmpdir(), `qmail-full-${process.pid}`);
  const rootTest = canMount ? test : test.skip;

  rootTest("refuses new mail, defers deliveries, loses nothing (needs root)", async () => {
    mkdirSync(directory);
    try {
      const outcome = await run([...unshare, "sh", "-c", fullDisk], {
        environment: { at: directory, programs },
      });
      expect(outcome.stderr).toContain("qq write error or disk full (#4.3.0)");
      expect(outcome.stdout.split("\n").slice(0, -1)).toEqual([
        "taken 0",
        "full: refused 111",
        "full: 1 in mess, 0 in pid, 0 in intd",
        "full: deferred, 1 in local",
        "room: delivered",
        "room: taken 0",
        "room: delivered",
        "ended 0",
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

const fullDisk = `
mount -t tmpfs -o size=2m,mode=0755 tmpfs "$at" || exit 1
mount -t tmpfs -o size=1m tmpfs /dev/shm || exit 1
log=/dev/shm/log home=$at/home
export QMAILHOME=$home PATH="$programs:$PATH"
qmail init --home "$home" --host mail.example >/dev/null
qmail user add ann >/dev/null
patiently() {
  n=0
  until eval "$1"; do
    n=$((n + 1))
    [ $n -lt 200 ] || { echo "in vain: $1"; cat $log; return 1; }
    sleep 0.05
  done
}
letter() { printf 'Subject: %s\\n\\n' "$1"; head -c 20000 /dev/zero | tr '\\0' x | fold; }
arrived() { ls "$home/mail/ann/Maildir/new" | wc -l; }
queued() { find "$home/queue/$1" -type f | wc -l; }
deferrals() { grep -c deferral $log; }

"$home/rc" >$log 2>&1 & send=$!
mv "$home/mail/ann/Maildir" "$at/away"
letter first | qmail-inject ann; echo "taken $?"
patiently '[ "$(deferrals)" = 1 ]'
mv "$at/away" "$home/mail/ann/Maildir"
dd if=/dev/zero of="$at/filler" bs=4k 2>/dev/null

letter second | qmail-inject ann; echo "full: refused $?"
echo "full: $(queued mess) in mess, $(queued pid) in pid, $(queued intd) in intd"
kill -ALRM $send
patiently '[ "$(deferrals)" = 2 ]' && echo "full: deferred, $(queued local) in local"
rm "$at/filler"
kill -ALRM $send
patiently '[ "$(arrived)" = 1 ]' && echo 'room: delivered'
letter third | qmail-inject ann; echo "room: taken $?"
patiently '[ "$(arrived)" = 2 ]' && echo 'room: delivered'
kill -TERM $send; wait $send; echo "ended $?"
`;
