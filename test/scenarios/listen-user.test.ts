/** A server that root starts becomes a user for good: all its threads, what it starts, and what it writes. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canCompile } from "../helpers/launcher.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import { nofiles, userNumbers } from "../helpers/users.ts";
import { type Identity, joe, type Observed } from "./listen-user.ts";

setDefaultTimeout(900_000);

const { qmaild = -1, qmailq = -1 } = userNumbers;
const none = "0".repeat(16);

/** An identity with these numbers: real uid, the other uids, and one group. */
const identity = (real: number, uid: number, gid: number): Identity => ({
  uid: [real, uid, uid, uid].join("\t"),
  gid: [gid, gid, gid, gid].join("\t"),
  groups: String(gid),
  capabilities: [none, none, none, none],
});

const files = (owner: number): string[] => ["mess", "intd", "todo"].map((part) => `${part} ${owner} 644`);
const servers = ["qmail-smtpd", "qmail-qmtpd", "qmail-qmqpd"] as const;

const possible = canUnshare() && canCompile() && Bun.which("setpriv") !== null;
describe.skipIf(!possible)("--user (needs root, namespaces, gcc and setpriv)", () => {
  let seen: Observed;
  beforeAll(async () => {
    const work = mkdtempSync(join(tmpdir(), "qmail-listen-"));
    const script = join(import.meta.dir, "listen-user.ts");
    const child = Bun.spawn([...unshare, process.execPath, script, work], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    rmSync(work, { recursive: true });
    if ((await child.exited) !== 0) throw new Error(err);
    seen = JSON.parse(out) as Observed;
  });

  test.each(servers)("%s takes messages on its low port, short and long, and ends well", (program) => {
    for (const system of [seen.system, seen.home]) {
      const { heard, exit } = system[program] ?? { heard: [], exit: -1 };
      expect([heard.map((text) => / ?ok \d+ qp \d+/.test(text)), exit]).toEqual([[true, true], 0]);
    }
  });

  test.each(servers)("%s is the user in every thread, without other groups or capabilities", (program) => {
    expect(seen.system[program]?.threads).toEqual([identity(qmaild, qmaild, nofiles)]);
    expect(seen.home[program]?.threads).toEqual([identity(joe, joe, joe)]);
    expect(seen.system[program]?.threadCount).toBeGreaterThan(1);
  });

  test.each(servers)(
    "%s has its queue program stay as qmailq; in a private home it needs none",
    (program) => {
      expect(seen.system[program]?.partner).toEqual([["--resident", [identity(qmaild, qmailq, nofiles)]]]);
      expect(seen.home[program]?.partner).toEqual([]);
    },
  );

  test.each(servers)("what %s takes belongs to qmailq, or to the user in a private home", (program) => {
    expect([seen.system[program]?.files, seen.home[program]?.files]).toEqual([files(qmailq), files(joe)]);
  });

  test("in several processes each is the user, also one that comes later, and has a queue program", () => {
    const { first, others, partners, heard, exit } = seen.several;
    expect([first, others]).toEqual([
      [identity(qmaild, qmaild, nofiles)],
      [identity(qmaild, qmaild, nofiles)],
    ]);
    const partner = ["--resident", [identity(qmaild, qmailq, nofiles)]];
    expect(partners).toEqual([partner, partner] as typeof partners);
    expect(heard.filter((text) => !/ok \d+ qp \d+/.test(text))).toEqual([]);
    expect(exit).toBe(0);
  });

  test("what qmail-popup starts is the user, too", () => {
    const ids = [qmaild, nofiles].map((id) => [id, id, id, id].join("\t"));
    expect(seen.popup).toBe(`Uid:\t${ids[0]}\nGid:\t${ids[1]}\nGroups:\t${nofiles} \nCapEff:\t${none}\n`);
  });

  test("a user that is not there is a permanent error", () => {
    expect(seen.unknown).toBe("100 qmail-smtpd: fatal: there is no user nobody-here\n");
  });

  test("who may not become somebody else says so", () => {
    expect(seen.notRoot).toBe("111 qmail-smtpd: fatal: unable to become qmaild: permission denied\n");
  });
});
