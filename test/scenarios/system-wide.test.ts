/** Owners, ids and the way of local users into the queue of a system-wide installation. Needs root and gcc. */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canCompile } from "../helpers/launcher.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import { userNumbers } from "../helpers/users.ts";
import { ann, joe, type Observed } from "./system-wide.ts";

const possible = canUnshare() && canCompile();
const { alias, qmailq, qmails, qmailr, qmaill } = userNumbers;

/** The four user numbers of a process that has only one. */
const only = (uid: number | undefined) => [uid, uid, uid, uid];

describe.skipIf(!possible)("system-wide (needs root, namespaces and gcc)", () => {
  let seen: Observed;
  beforeAll(async () => {
    const work = mkdtempSync(join(tmpdir(), "qmail-system-"));
    const script = join(import.meta.dir, "system-wide.ts");
    const child = Bun.spawn([...unshare, process.execPath, script, work], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    rmSync(work, { recursive: true });
    if ((await child.exited) !== 0) throw new Error(err);
    seen = JSON.parse(out) as Observed;
  });

  test("what joe injects belongs to qmailq", () => {
    const file = { owner: qmailq, mode: "644" };
    expect(seen.queued).toEqual({ mess: [file], intd: [file], todo: [file], pid: [] } as never);
  });

  test("qmail-queue runs with joe's real and qmailq's effective number, in secure mode, without an environment", () => {
    expect(seen.waiting).toEqual({
      ids: [joe, qmailq, qmailq, qmailq] as number[],
      secure: 1,
      environment: "",
    });
  });

  test("closed descriptors are a read error", () => expect(seen.hostile.closed).toBe(54));
  test("one that stays is qmailq's as well, and names the caller", () => {
    expect(seen.resident).toBe(0);
    const text = seen.ann.find((message) => message.text.includes("Subject: resident\n"))?.text;
    expect(text).toMatch(new RegExp(`^Received: \\(qmail \\d+ invoked by uid ${joe}\\); `, "m"));
  });
  test("the caller's own limits do not matter", () => expect(seen.hostile.limited).toBe(0));
  test("the runtime runs no code of the caller", () => {
    expect([seen.hostile.preload, seen.hostile.ran]).toEqual([0, false]);
  });

  const daemons = [
    ["qmail-send", qmails],
    ["qmail-lspawn", 0],
    ["qmail-rspawn", qmailr],
    ["qmail-clean", qmailq],
    ["cat", qmaill],
  ] as const;
  test.each(daemons)("%s runs as its user", (name, uid) => {
    expect(seen.daemons[name]).toEqual(only(uid) as number[]);
  });

  test("who delivers one message after another is the user, for good", () => {
    const users = [ann, joe, alias];
    for (const ids of seen.warm)
      expect(users.map((uid) => only(uid) as number[])).toContainEqual(ids as never);
    expect(seen.warm).toContainEqual(only(ann) as never);
  });

  test("qmail explain looks with the ids of the delivery", () => {
    const [own, secret, friends] = seen.explained;
    expect(own).toMatchObject({
      outcome: "delivered",
      local: { by: "qmail-getpw", user: "ann", uid: ann, lines: [{ does: "maildir" }] },
    });
    expect(secret).toMatchObject({
      outcome: "deferred",
      report: "Unable to open .qmail-secret: access denied. (#4.3.0)",
    });
    expect(friends).toMatchObject({
      local: {
        user: "alias",
        uid: alias,
        file: ".qmail-friends",
        lines: [{ does: "forward", leads: { local: { user: "ann" } } }],
      },
    });
    // Found among the processes: the default delivery is an argument of one.
    expect(own).toMatchObject({ default: { text: "./Maildir/", source: "qmail-lspawn, which runs" } });
  });

  test("ann gets her mail, in her own files", () => {
    expect(seen.ann.map((message) => message.owner)).toEqual(seen.ann.map(() => ann));
    const subjects = seen.ann.map(({ text }) => /^Subject: (.*)$/m.exec(text)?.[1]).sort();
    expect(subjects).toEqual(["first", "limited", "preload", "resident", "second"]);
  });

  test("the Received field names the caller's number", () => {
    const first = seen.ann.find(({ text }) => text.includes("Subject: first\n"))?.text ?? "";
    expect(first).toMatch(
      /^Return-Path: <joe@test\.example>\nDelivered-To: ann@test\.example\nReceived: \(qmail /,
    );
    expect(first).toContain(`invoked by uid ${joe}); `);
  });

  test("a forward is invoked by alias, a bounce for bounce", () => {
    const forwarded = seen.ann.find(({ text }) => text.includes("Subject: second\n"))?.text;
    expect(forwarded).toMatch(/^Received: \(qmail \d+ invoked by alias\); /m);
    expect(seen.joe.map((message) => message.owner)).toEqual([joe]);
    expect(seen.joe[0]?.text).toMatch(/^Received: \(qmail \d+ invoked for bounce\); /m);
    expect(seen.joe[0]?.text).toContain("<nobody-here@test.example>:\n");
  });

  test("there are no other daemons", () => {
    expect(Object.keys(seen.daemons).sort()).toEqual(daemons.map(([name]) => name).sort());
  });

  test("the queue is empty and the log is complete", () => {
    expect(seen.left).toEqual([]);
    expect(seen.log).toMatch(/^status: local 0\/10 remote 0\/20\n/);
    expect(seen.log).toMatch(/status: exiting\n$/);
  });
});
