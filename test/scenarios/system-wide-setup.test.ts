/** `qmail setup` and `qmail check` on whole machines. Needs root, namespaces with overlays, gcc and useradd. */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programs } from "../../src/programs.ts";
import { canCompile } from "../helpers/launcher.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import type { Adopted, Bare, Fresh, Killed, Ran, Staged } from "./system-wide-setup.ts";

const hasUseradd = Bun.which("useradd", { PATH: "/usr/sbin:/sbin:/usr/bin" }) !== null;
const possible = canUnshare() && canCompile() && hasUseradd;
const needs = "needs root, namespaces, gcc and useradd";

async function observe<Seen>(what: string): Promise<Seen> {
  const work = mkdtempSync(join(tmpdir(), "qmail-setup-"));
  try {
    const script = join(import.meta.dir, "system-wide-setup.ts");
    const child = Bun.spawn([...unshare, process.execPath, script, work, what], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(err);
    return JSON.parse(out) as Seen;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** What is where in a new installation: kind, owner, mode. Owners and modes are those of qmail's hier. */
const expected: Readonly<Record<string, string>> = {
  "": "d root:qmail 0755",
  alias: "d alias:qmail 2755",
  "alias/.qmail-mailer-daemon": "- root:nofiles 0644",
  "alias/.qmail-postmaster": "- root:nofiles 0644",
  "alias/.qmail-root": "- root:nofiles 0644",
  "alias/Maildir": "d alias:nofiles 0700",
  bin: "d root:qmail 0755",
  "bin/qmail-queue": "- qmailq:qmail 4711",
  "bin/qmail-ts": "- root:qmail 0755",
  "bin/sendmail": "- root:qmail 0755",
  control: "d root:qmail 0755",
  "control/me": "- root:root 0644",
  "control/rcpthosts": "- root:root 0644",
  "man/man8": "d root:qmail 0755",
  "man/man8/qmail-queue.8": "- root:root 0644",
  queue: "d qmailq:qmail 0750",
  "queue/bounce": "d qmails:qmail 0700",
  "queue/info": "d qmails:qmail 0700",
  "queue/info/22": "d qmails:qmail 0700",
  "queue/intd": "d qmailq:qmail 0700",
  "queue/local": "d qmails:qmail 0700",
  "queue/local/0": "d qmails:qmail 0700",
  "queue/lock": "d qmailq:qmail 0750",
  "queue/lock/sendmutex": "- qmails:qmail 0600",
  "queue/lock/tcpto": "- qmailr:qmail 0644",
  "queue/lock/trigger": "p qmails:qmail 0622",
  "queue/mess": "d qmailq:qmail 0750",
  "queue/mess/11": "d qmailq:qmail 0750",
  "queue/pid": "d qmailq:qmail 0700",
  "queue/remote": "d qmails:qmail 0700",
  "queue/remote/7": "d qmails:qmail 0700",
  "queue/todo": "d qmailq:qmail 0750",
  rc: "- root:root 0755",
  users: "d root:qmail 0755",
};

interface Found {
  level: string;
  about: string;
  what: string;
}

const findingsOf = ({ out }: Ran): Found[] => (JSON.parse(out) as { findings: Found[] }).findings;
const faultsOf = (ran: Ran): string[] =>
  findingsOf(ran)
    .filter(({ level }) => level === "fault")
    .map(({ about, what }) => `${about} ${what}`);
const complete = "/var/qmail is complete: there is nothing to do\n";

describe.skipIf(!possible)(`qmail setup from nothing (${needs})`, () => {
  let seen: Fresh;
  beforeAll(async () => {
    seen = await observe<Fresh>("fresh");
  });

  test("--dry-run says what would be done, and does nothing", () => {
    expect([seen.dryRun.code, seen.changedByDryRun]).toEqual([0, false]);
    const steps = (ran: Ran) => ran.out.trimEnd().split("\n").slice(0, -1);
    expect(steps(seen.dryRun)).toEqual(steps(seen.setup));
    expect(seen.dryRun.out).toContain("make user qmailq\n");
  });

  test("it ends well, and says each step", () => {
    expect([seen.setup.code, seen.setup.err]).toEqual([0, ""]);
    expect(seen.setup.out).toMatch(/\/var\/qmail is complete: \d+ steps done\n$/);
  });

  test.each(Object.entries(expected))("/var/qmail/%s is %s", (path, is) => {
    expect(seen.tree[path === "" ? "/var/qmail" : `/var/qmail/${path}`]).toBe(is);
  });

  test("only qmail-queue has a set-user-id bit, and all programs are there", () => {
    const bits = Object.entries(seen.tree).filter(([, is]) => /^- .* [2467]\d{3}$/.test(is));
    expect(bits.map(([path]) => path)).toEqual(["/var/qmail/bin/qmail-queue"]);
    expect(programs.filter(({ name }) => seen.tree[`/var/qmail/bin/${name}`] === undefined)).toEqual([]);
  });

  test("the users exist, each with its home, and none can log in", () => {
    for (const name of ["alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails"]) {
      const line = seen.passwd.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
      expect([line[5], line[6]]).toEqual([
        name === "alias" ? "/var/qmail/alias" : "/var/qmail",
        expect.stringMatching(/\/(nologin|false)$/),
      ]);
    }
  });

  test("check finds no fault", () => expect([seen.check.code, faultsOf(seen.check)]).toEqual([0, []]));
  test("a second run changes nothing at all", () => {
    expect([seen.again.out, seen.changed]).toEqual([complete, []]);
  });

  const found: readonly (readonly [string, string])[] = [
    ["queue/todo", "has mode 0755, and should have 0750"],
    ["queue/mess/7", "should belong to qmailq:qmail"],
    ["queue/lock/trigger", "is missing"],
    ["bin/qmail-local", "is missing"],
    ["bin/qmail-queue", "is not qmailq:qmail 04711"],
    ["control/concurrencyremote", '"twenty" is no number'],
    ["control/locals", "has carriage returns"],
    ["control/rcpthosts", "is missing: everybody may send mail to everybody"],
    ["users/assign, line 1", "/nowhere cannot be entered (ENOENT)"],
    ["users/cdb", "is missing, so that users/assign has no effect"],
    ["queue/todo/77", "a message was accepted, but its text is gone"],
  ];
  test.each(found)("check finds that %s %s", (path, what) => {
    const about = findingsOf(seen.broken).filter((finding) => finding.about === `/var/qmail/${path}`);
    expect(about.map((finding) => finding.what).join("\n")).toContain(what);
  });
  test("check finds nothing else, and exits 1", () => {
    expect([seen.broken.code, faultsOf(seen.broken).length]).toEqual([1, found.length]);
  });
  test("setup puts back and mends what is its own", () => {
    expect([seen.mended.code, faultsOf(seen.mended)]).toEqual([0, []]);
  });

  test("joe sends to ann by /usr/sbin/sendmail", () => {
    expect([seen.sent, seen.ann.length]).toEqual([0, 1]);
    expect(seen.ann[0]).toMatch(/^Return-Path: <joe@test\.example>\nDelivered-To: ann@test\.example\n/);
  });
  test("a bounce comes back, and postmaster's mail is kept", () => {
    expect(seen.bounced[0]).toContain("<nobody-here@test.example>:\n");
    expect(seen.postmaster[0]).toContain("Delivered-To: postmaster@test.example\n");
  });
  test("sendmail leads to ours", () => {
    expect(Object.values(seen.links)).toEqual(["l /var/qmail/bin/sendmail", "l /var/qmail/bin/sendmail"]);
  });

  const hasSystemd = Bun.which("systemd-analyze") !== null;
  test.skipIf(!hasSystemd)("systemd-analyze finds nothing wrong with the units (needs systemd)", () => {
    expect(seen.units).toEqual({ code: 0, out: "", err: "" });
  });
});

describe.skipIf(!possible)(`qmail setup on the tree of another qmail (${needs})`, () => {
  let seen: Adopted;
  beforeAll(async () => {
    seen = await observe<Adopted>("adopted");
  });

  test("queue, settings, users, alias, rc and programs stay as they are", () => {
    expect([seen.first.code, seen.touched]).toEqual([0, []]);
    expect(seen.first.out).toContain("left as they are: 5 programs of another qmail in /var/qmail/bin");
  });
  test("--replace exchanges the programs only", () => {
    expect([seen.replaced.code, seen.touchedByReplacing, seen.split]).toEqual([0, [], 7]);
    expect(seen.queueProgram).toBe("- qmailq:qmail 4711");
  });
  test("what was replaced is kept, without its set-user-id bit", () => {
    const kept = Object.entries(seen.kept).filter(([, is]) => is.startsWith("-"));
    expect(Object.fromEntries(kept)).toEqual({
      ...Object.fromEntries(
        ["inject", "local", "queue", "send", "smtpd"].map((name) => [
          `/var/qmail/before/bin/qmail-${name}`,
          "- root:root 0711",
        ]),
      ),
      "/var/qmail/before/man/man8/qmail-queue.8": "- root:root 0644",
    });
  });
  test("check finds no fault, and there is nothing left to do", () => {
    expect([faultsOf(seen.check), seen.again.out]).toEqual([[], complete]);
  });
  test("what waited in the queue arrives", () => {
    expect(seen.ann).toEqual([expect.stringContaining("Subject: waiting\n\nSince then.\n")]);
  });
});

describe.skipIf(!possible)(`qmail setup where something is missing (${needs})`, () => {
  let seen: Bare;
  beforeAll(async () => {
    seen = await observe<Bare>("bare");
  });

  test("no useradd: refused, with the users that there have to be", () => {
    expect([seen.noAccounts.code, seen.noAccounts.out]).toEqual([100, ""]);
    expect(seen.noAccounts.err).toContain("qmail: fatal: useradd not found: ");
    expect(seen.noAccounts.err).toContain("--gid qmail --home-dir /var/qmail");
  });
  test("not root: refused", () => {
    expect([seen.notRoot.code, seen.notRoot.out]).toEqual([100, ""]);
    expect(seen.notRoot.err).toContain("only root can install for the whole system");
  });
  test("no compiler: done, and it says what will not work", () => {
    expect(seen.noCompiler.code).toBe(0);
    expect(seen.noCompiler.out).toContain("there is no C compiler, so there is no launcher");
    expect(faultsOf(seen.check)).toEqual([
      expect.stringContaining("/var/qmail/bin/qmail-queue is not the launcher"),
    ]);
  });
  test("the queue is somebody else's: refused", () => {
    expect([seen.foreignQueue.code, seen.foreignQueue.out]).toEqual([100, ""]);
    expect(seen.foreignQueue.err).toContain("/var/qmail/queue belongs to joe, not to qmailq");
  });
});

describe.skipIf(!possible)(`qmail setup of a staging tree (${needs})`, () => {
  let seen: Staged;
  beforeAll(async () => {
    seen = await observe<Staged>("staged");
  });

  test("joe makes it, without any set-user-id bit of his", () => {
    expect([seen.made.code, seen.made.err]).toEqual([0, ""]);
    expect(Object.values(seen.inStage).filter((is) => /^- .* [246]\d{3}$/.test(is))).toEqual([]);
  });
  test("unpacked by root it has faults, which setup mends", () => {
    const faults = faultsOf(seen.before).join("\n");
    expect(faults).toContain("user qmailq is missing");
    expect(faults).toContain("/var/qmail/bin/qmail-queue is not qmailq:qmail 04711");
    expect([seen.setup.code, faultsOf(seen.check)]).toEqual([0, []]);
  });
  test("then it is like any other", () => {
    const different = Object.entries(expected).filter(([path, is]) => {
      const there = seen.tree[path === "" ? "/var/qmail" : `/var/qmail/${path}`];
      // Files that nobody's rights depend on stay root's.
      return there?.replace(":nofiles", ":root") !== is.replace(":nofiles", ":root");
    });
    expect(different).toEqual([]);
  });
});

const hasStrace = Bun.which("strace") !== null;
describe.skipIf(!possible || !hasStrace)(`qmail setup killed anywhere (${needs} and strace)`, () => {
  test("the next run ends well, and makes what one run alone would have made", async () => {
    const seen = await observe<Killed>("killed");
    expect([seen.failed, seen.different]).toEqual([[], []]);
    expect(seen.changes).toBeGreaterThan(200);
    expect(seen.killed).toBeGreaterThan(15);
  });
});
