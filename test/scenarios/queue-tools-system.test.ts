/** The queue tools in a system-wide installation. Needs root and namespaces. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canUnshare, unshare } from "../helpers/namespace.ts";
import { qmailGroup, userNumbers } from "../helpers/users.ts";
import type { Observed } from "./queue-tools-system.ts";

setDefaultTimeout(900_000);

const { qmailq, qmails } = userNumbers;

describe.skipIf(!canUnshare())("qmail queue, system-wide (needs root and namespaces)", () => {
  let seen: Observed;
  beforeAll(async () => {
    const work = mkdtempSync(join(tmpdir(), "qmail-tools-"));
    const script = join(import.meta.dir, "queue-tools-system.ts");
    const child = Bun.spawn([...unshare, process.execPath, script, work], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    rmSync(work, { recursive: true });
    if ((await child.exited) !== 0) throw new Error(err);
    seen = JSON.parse(out) as Observed;
  });

  test("only root and qmails may, and the first order is root's", () => {
    expect(seen.stranger).toMatchObject({
      code: 100,
      out: expect.stringContaining("only root and qmails may do this"),
    });
    expect(seen.tooEarly.code).toBe(111);
    expect(seen.tooEarly.out).toContain("unable to make directory /var/qmail/queue/ask: access denied");
    expect(seen.byQmails).toMatchObject({ code: 0, out: expect.stringContaining("held already") });
  });

  test("while qmail-send is stopped: held and removed, by files of qmails", () => {
    expect(seen.held).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+ held\n$/) });
    expect(seen.removedNew).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+ removed\n$/) });
    expect(seen.made).toEqual({ ask: qmails, "ask/mutex": qmails, hold: qmails, "hold/*": qmails } as never);
  });

  test("what is removed is gone, also what belongs to qmailq", () => {
    for (const did of [seen.removedRunning, seen.removedStopped])
      expect(did).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+ removed\n$/) });
    expect(seen.left.map((path) => path.replace(/\/[\d/]+$/, ""))).toEqual([
      "hold",
      "info",
      "mess",
      "remote",
    ]);
  });

  test("a queue that was root's has its owners and modes again", () => {
    expect(seen.dry.out).toEndWith("nothing was changed\n");
    expect(seen.mended.code).toBe(0);
    expect(seen.again).toEqual({ code: 0, out: "the queue is in order\n" });
    const [q, s] = [`${qmailq}:${qmailGroup}`, `${qmails}:${qmailGroup}`];
    expect(seen.owners).toEqual({
      "": `${q} 750`,
      mess: `${q} 750`,
      "info/3": `${s} 700`,
      todo: `${q} 750`,
      hold: `${s} 700`,
      ask: `${s} 700`,
      "ask/mutex": `${s} 600`,
      "hold/*": `${s} 600`,
      "info/*": `${s} 600`,
      "mess/*": `${q} 644`,
      "remote/*": `${s} 600`,
    });
    expect(seen.released).toBe(true);
  });
});
