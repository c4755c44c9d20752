import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { accountByName, accountByUid, groupByName } from "../../../src/core/sys/passwd.ts";

const source = resolve(import.meta.dir, "../../../src/core/sys/passwd.ts");
const lines = readFileSync("/etc/passwd", "latin1").trim().split("\n");

test("every line of /etc/passwd is found by its name", () => {
  for (const line of lines) {
    const [name = "", , uid, gid, , home = "", shell = ""] = line.split(":");
    const account = accountByName(Buffer.from(name, "latin1"));
    expect(account).toEqual({
      name: Buffer.from(name, "latin1"),
      uid: Number(uid),
      gid: Number(gid),
      home: Buffer.from(home, "latin1"),
      shell: Buffer.from(shell, "latin1"),
    });
  }
});

test("by uid, and groups", () => {
  expect(accountByUid(0)?.name.toString()).toBe("root");
  expect(groupByName("root")?.gid).toBe(0);
});

test("what does not exist is undefined", () => {
  expect(accountByName("no-such-user-here")).toBeUndefined();
  expect(accountByName(Buffer.of(0xe9))).toBeUndefined();
  expect(accountByUid(4_000_000_001)).toBeUndefined();
  expect(groupByName("no-such-group-here")).toBeUndefined();
});

test("a source that can not be read now is not an absent user", () => {
  const script = `
    import { openSync } from "node:fs";
    import { accountByName } from ${JSON.stringify(source)};
    const fds = [];
    try { for (;;) fds.push(openSync("/dev/null", "r")); } catch {}
    try { console.log(accountByName("root")); } catch (failure) { console.log(failure.code); }`;
  const run = Bun.spawnSync(["sh", "-c", `ulimit -n 64; exec "$0" -e "$1"`, process.execPath, script]);
  expect(run.stdout.toString()).toBe("EMFILE\n");
});
