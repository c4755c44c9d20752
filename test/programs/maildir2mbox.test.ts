/** maildir2mbox and maildirmake under bad conditions. */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { run, Scratch } from "../helpers/built.ts";
import { isRoot, nobody } from "../helpers/queue-home.ts";

class Mailbox extends Scratch {
  constructor() {
    super();
    chmodSync(this.path, 0o755);
    for (const folder of ["tmp", "new", "cur"]) mkdirSync(this.in("M", folder), { recursive: true });
    utimesSync(this.write("M/new/a", "Return-Path: <x@y>\n\nbody\n"), 1e9, 1e9);
    this.write("mbox", "old\n\n");
  }
  move(env: Record<string, string> = {}, uid?: number) {
    const standard = { MAIL: this.in("mbox"), MAILTMP: this.in("copy"), MAILDIR: this.in("M") };
    return run("maildir2mbox", {
      env: { ...standard, ...env },
      cwd: this.path,
      ...(uid === undefined ? {} : { uid }),
    });
  }
}

const moved = "old\n\nFrom x@y Sun Sep 09 01:46:40 2001\nReturn-Path: <x@y>\n\nbody\n\n";

test("moved", async () => {
  using box = new Mailbox();
  expect(await box.move()).toMatchObject({ code: 0, stderr: "" });
  expect(box.read("mbox")).toBe(moved);
  expect(readdirSync(box.in("M/new"))).toEqual([]);
});

test("a last line without line feed is moved, too", async () => {
  using box = new Mailbox();
  utimesSync(box.write("M/new/a", "Return-Path: <x@y>\n\nbody"), 1e9, 1e9);
  expect(await box.move()).toMatchObject({ code: 0, stderr: "" });
  expect(box.read("mbox")).toBe(moved);
});

/** What is other than usual; what it says. Maildir and mbox stay as they were. */
const refusals: readonly (readonly [Record<string, string>, string])[] = [
  [{ MAILTMP: "/dev/full" }, "unable to write to /dev/full: out of disk space"],
  [{ MAILTMP: "/no/copy" }, "unable to create /no/copy: file does not exist"],
  [{ MAIL: "/no/mbox" }, "unable to lock /no/mbox: file does not exist"],
  [{ MAILTMP: "" }, "unable to create : file does not exist"],
  [{ MAIL: "" }, "unable to lock : file does not exist"],
  [{ MAILDIR: "" }, "unable to chdir to : file does not exist"],
  [{ MAILDIR: "/dev/null" }, "unable to chdir to /dev/null: not a directory"],
];
for (const [env, why] of refusals) {
  test(why, async () => {
    using box = new Mailbox();
    expect(await box.move(env)).toMatchObject({ code: 111, stderr: `maildir2mbox: fatal: ${why}\n` });
    expect(box.read("mbox")).toBe("old\n\n");
    expect(readdirSync(box.in("M/new"))).toEqual(["a"]);
  });
}

/** What is missing or strange; what it says. */
const broken: readonly (readonly [string, (box: Mailbox) => void, string])[] = [
  [
    "no new",
    (box) => rmSync(box.in("M/new"), { recursive: true }),
    "unable to scan $MAILDIR/new: file does not exist",
  ],
  [
    "no cur",
    (box) => rmSync(box.in("M/cur"), { recursive: true }),
    "unable to scan $MAILDIR/cur: file does not exist",
  ],
  [
    "a directory among the messages",
    (box) => {
      mkdirSync(box.in("M/new/d"));
      utimesSync(box.in("M/new/d"), 1, 1);
    },
    "unable to read $MAILDIR/new/d: is a directory",
  ],
];
for (const [name, breakIt, why] of broken) {
  test(name, async () => {
    using box = new Mailbox();
    breakIt(box);
    expect(await box.move()).toMatchObject({ code: 111, stderr: `maildir2mbox: fatal: ${why}\n` });
    expect(box.read("mbox")).toBe("old\n\n");
  });
}

test("a Maildir without tmp, messages without text, a long line", async () => {
  using box = new Mailbox();
  rmSync(box.in("M/tmp"), { recursive: true });
  utimesSync(box.write("M/new/b", ""), 1e9 + 1, 1e9 + 1);
  utimesSync(box.write("M/new/c", `${"x".repeat(200_000)}\n`), 1e9 + 2, 1e9 + 2);
  expect(await box.move()).toMatchObject({ code: 0, stderr: "" });
  const rest = `From XXX Sun Sep 09 01:46:41 2001\n\nFrom XXX Sun Sep 09 01:46:42 2001\n${"x".repeat(200_000)}\n\n`;
  expect(box.read("mbox")).toBe(moved + rest);
});

test("a message that can not be removed comes twice, and is told", async () => {
  using box = new Mailbox();
  if (isRoot) for (const path of ["", "mbox", "M", "M/new/a"]) chownSync(box.in(path), nobody, nobody);
  chmodSync(box.in("M/new"), 0o555);
  const result = await box.move({}, isRoot ? nobody : undefined);
  expect(result.code).toBe(0);
  expect(result.stderr).toBe(
    "maildir2mbox: warning: $MAILDIR/new/a will be delivered twice; unable to unlink: access denied\n",
  );
  expect(box.read("mbox")).toBe(moved);
  chmodSync(box.in("M/new"), 0o755);
});

/** Name given to maildirmake, what is there before; exit code and what it says. */
const making: readonly (readonly [string, string[], number, string])[] = [
  ["M", [], 0, ""],
  ["no/M", [], 111, "maildirmake: fatal: unable to mkdir no/M: file does not exist\n"],
  ["", [], 111, "maildirmake: fatal: unable to mkdir : file does not exist\n"],
  ["M", ["M"], 111, "maildirmake: fatal: unable to mkdir M: file already exists\n"],
];
for (const [name, before, code, stderr] of making) {
  test(`maildirmake ${name}: ${code}`, async () => {
    using scratch = new Scratch();
    for (const path of before) mkdirSync(scratch.in(path));
    expect(await run("maildirmake", { args: [name], cwd: scratch.path })).toMatchObject({ code, stderr });
    if (code !== 0) return;
    for (const part of ["", "tmp", "new", "cur"])
      expect(statSync(scratch.in(name, part)).mode & 0o777).toBe(0o700);
  });
}
