/** qmail-lspawn beyond the recorded cases: side by side, over time, in a private home, and when things go wrong. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readdirSync, truncateSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeFifo } from "../../src/core/sys/libc.ts";
import { PrivateHome } from "../helpers/spawner.ts";

const home = new PrivateHome();
afterAll(() => home.remove());

const uid = process.geteuid?.() ?? 0;
const gid = process.getegid?.() ?? 0;
const mine = (user: string) => `${user}:${uid}:${gid}:/h/${user}:-::`;
const tell = 'for a in "$@"; do printf "%s|" "$a"; done';

beforeEach(() => {
  home.script("qmail-local", tell);
  home.assign(`+:${mine("all")}`);
});

async function deliverOnce(recipient: Uint8Array | string, sender?: Uint8Array | string): Promise<string> {
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  await spawner.deliver(0, recipient, sender);
  const [, report] = await spawner.report();
  expect(await spawner.end()).toBe(0);
  return report;
}

test("arguments and the message, as the owner of the private home", async () => {
  home.script("qmail-local", `${tell}; id -u; id -g; cat`);
  expect(await deliverOnce("joe-x@h.example")).toBe(
    `K--|all|/h/all|joe-x|-|joe-x|h.example|a@b|./Mailbox|${uid}\n${gid}\nSubject: s\n\nbody\n`,
  );
});

test("bytes that are no UTF-8 reach qmail-local as they are", async () => {
  const odd = Buffer.from("j\xe9$'\"\\\n \xff@h", "latin1");
  const report = await deliverOnce(odd, Buffer.from("\xfc@b", "latin1"));
  expect(report).toBe(
    `K--|all|/h/all|${odd.subarray(0, -2).toString("latin1")}|-|${odd.subarray(0, -2).toString("latin1")}|h|\xfc@b|./Mailbox|`,
  );
});

test("the message can be read again from its beginning", async () => {
  home.script("qmail-local", "exec 3</proc/self/fd/0; cat; cat <&3");
  expect(await deliverOnce("joe@h")).toBe(`K${"Subject: s\n\nbody\n".repeat(2)}`);
});

test("deliveries run side by side, and each report names its slot", async () => {
  const count = 25;
  const begun = join(home.path, "out");
  const gate = join(home.path, "gate");
  makeFifo(gate, 0o666);
  const open = openSync(gate, "r+");
  home.script("qmail-local", ': > "out/$4"; read line < gate; echo "$4"');
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  for (let slot = 0; slot < count; slot++) await spawner.deliver(slot, `u${slot}@h`);
  while (readdirSync(begun).length < count) await Bun.sleep(20);
  writeSync(open, "\n".repeat(count));
  const reports: [number, string][] = [];
  for (let slot = 0; slot < count; slot++) reports.push(await spawner.report());
  expect(reports.sort(([left], [right]) => left - right)).toEqual(
    Array.from({ length: count }, (_, slot) => [slot, `Ku${slot}\n`]),
  );
  expect(await spawner.end()).toBe(0);
  closeSync(open);
  for (const name of readdirSync(begun)) unlinkSync(join(begun, name));
});

test("no descriptor is left behind", async () => {
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  const open = () => readdirSync(`/proc/${spawner.pid}/fd`).length;
  const deliverAll = async () => {
    for (let slot = 0; slot < 20; slot++) await spawner.deliver(slot, "joe@h");
    for (let slot = 0; slot < 20; slot++) await spawner.report();
  };
  for (let round = 0; round < 3; round++) await deliverAll();
  // The runtime closes its copies of pipes a little later, in a thread of its own.
  const few = 15;
  for (let waited = 0; open() > few && waited < 100; waited++) await Bun.sleep(20);
  expect(open()).toBeLessThanOrEqual(few);
  await spawner.end();
});

test("at the end of the commands, running deliveries are finished first", async () => {
  home.script("qmail-local", "sleep 0.5; : > out/finished");
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  await spawner.deliver(0, "joe@h");
  expect(await spawner.end()).toBe(0);
  expect(existsSync(join(home.path, "out/finished"))).toBe(true);
  unlinkSync(join(home.path, "out/finished"));
});

test("when nobody takes the reports, deliveries are finished all the same", async () => {
  home.script("qmail-local", "sleep 0.3; : > out/$4");
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  await spawner.deafen();
  await spawner.deliver(0, "one@h");
  await spawner.deliver(1, "two@h");
  expect(await spawner.end()).toBe(0);
  expect(readdirSync(join(home.path, "out")).sort()).toEqual(["one", "two"]);
  for (const name of ["one", "two"]) unlinkSync(join(home.path, "out", name));
});

test("a program left in the background delays the report until it lets go of it", async () => {
  home.script("qmail-local", "(sleep 0.4; echo late) & echo early");
  expect(await deliverOnce("joe@h")).toBe("Kearly\nlate\n");
});

test("users who come and go are seen without a restart", async () => {
  home.assign(`=joe:${mine("joe")}`, `+:${mine("all")}`);
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  const userOf = async () => {
    await spawner.deliver(3, "joe@h");
    return (await spawner.report())[1].split("|")[1];
  };
  expect(await userOf()).toBe("joe");
  home.assign(`+:${mine("all")}`);
  expect(await userOf()).toBe("all");
  home.assign(`+:${mine("others")}`);
  expect(await userOf()).toBe("others");
  // A file that did not change for two seconds is not read again until it does.
  await Bun.sleep(2100);
  for (let again = 0; again < 3; again++) expect(await userOf()).toBe("others");
  home.assign(`+:${mine("third")}`);
  expect(await userOf()).toBe("third");
  await Bun.sleep(2100);
  expect(await userOf()).toBe("third");
  truncateSync(join(home.path, "users/cdb"), 2050);
  await spawner.deliver(3, "joe@h");
  expect((await spawner.report())[1]).toBe("ZTrouble reading users/cdb in qmail-lspawn.\n");
  unlinkSync(join(home.path, "users/cdb"));
  home.script("qmail-getpw", `printf "%s\\0" sue ${uid} ${gid} /h/sue - "$1"`);
  expect(await userOf()).toBe("sue");
  await spawner.end();
});

test("a damaged users/cdb delays mail and bounces none", async () => {
  truncateSync(join(home.path, "users/cdb"), 2050);
  expect(await deliverOnce("joe@h")).toBe("ZTrouble reading users/cdb in qmail-lspawn.\n");
});

test("where users/cdb does not say, qmail-getpw does, and its trouble is temporary", async () => {
  home.assign(`=joe:${mine("joe")}`);
  home.script("qmail-getpw", `printf "%s\\0" sue ${uid} ${gid} /h/sue - "$1"`);
  expect(await deliverOnce("sue-x@h")).toBe("K--|sue|/h/sue|sue-x|-|sue-x|h|a@b|./Mailbox|");
  for (const [code, report] of [
    ["exit 115", "ZNFS failure in qmail-local.\n"],
    ["exit 116", "ZUnable to find alias user!\n"],
    ["kill -9 $$", "ZTemporary failure in qmail-lspawn.\n"],
    ["printf 'half\\0'", "ZInternal qmail-lspawn bug.\n"],
  ] as const) {
    home.script("qmail-getpw", code);
    expect(await deliverOnce("sue@h")).toBe(report);
  }
});

test.skipIf(uid === 0)("as an ordinary user: another uid can not be had, says the report", async () => {
  home.assign(`+:other:${uid + 1}:${gid}:/h:-::`);
  expect(await deliverOnce("joe@h")).toBe(
    `ZThis qmail home runs as uid ${uid} only and cannot deliver as user other, uid ${uid + 1}.\n`,
  );
});

test.skipIf(uid !== 0)("as root: deliveries have the uid and the one group of their user", async () => {
  home.assign("+:other:54321:54322:/h:-::");
  home.script("qmail-local", "id -u; id -G");
  expect(await deliverOnce("joe@h")).toBe("K54321\n54322\n");
});

test("programs are refused to deliveries as root, and to no others", async () => {
  home.script("qmail-local", 'echo "$QMAILNOPROGRAM"');
  expect(await deliverOnce("joe@h")).toBe(uid === 0 ? "Kthis qmail home belongs to root\n" : "K\n");
  if (uid !== 0) return;
  home.assign("+:other:54321:54322:/h:-::");
  expect(await deliverOnce("joe@h")).toBe("K\n");
});

test("garbage: every byte is taken for a delivery number and answered in its turn", async () => {
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  await spawner.send(Buffer.from("\xf0../../etc/passwd\0s\0joe@h\0", "latin1"));
  expect(await spawner.report()).toEqual([0xf0, "ZInternal error: delnum too big. (#4.3.5)\n"]);
  await spawner.send("\u0001../../etc/passwd\0s\0joe@h\0");
  expect(await spawner.report()).toEqual([1, "DInternal error: messid has nonnumerics. (#5.3.5)\n"]);
  await spawner.send("\u0002\0s\0joe@h\0");
  expect(await spawner.report()).toEqual([2, "DInternal error: messid too short. (#5.3.5)\n"]);
  await spawner.send("\u00037/31\0s\0joe@h\0");
  expect(await spawner.report()).toEqual([3, "Zqmail-spawn unable to open message. (#4.3.0)\n"]);
  await spawner.deliver(4, "joe@h");
  expect((await spawner.report())[0]).toBe(4);
  expect(await spawner.end()).toBe(0);
});

test("a field of many megabytes is refused, and the next command is taken", async () => {
  const spawner = home.start("qmail-lspawn", ["./Mailbox"]);
  await spawner.send("\u00057/30\0s\0");
  for (let piece = 0; piece < 8; piece++) await spawner.send(Buffer.alloc(1 << 20, 97));
  await spawner.send("@h\0");
  expect(await spawner.report()).toEqual([5, "Zqmail-spawn out of memory. (#4.3.0)\n"]);
  await spawner.deliver(5, "joe@h");
  expect((await spawner.report())[1]).toStartWith("K--|all|");
  expect(await spawner.end()).toBe(0);
});

test("without a queue it says so", async () => {
  const { path } = home;
  const result = Bun.spawnSync([join(path, "bin/qmail-lspawn"), "./Mailbox"], {
    env: home.environment({ QMAILHOME: join(path, "nowhere") }),
    stdin: "ignore",
  });
  expect(result.exitCode).toBe(111);
  expect(result.stderr.toString()).toBe(
    `qmail-lspawn: fatal: unable to chdir to ${path}/nowhere/queue/mess: file does not exist\n`,
  );
});
