/** `qmail check` of private homes: what is in order, what it finds, and its exit codes. */
import { expect, test } from "bun:test";
import { chmodSync, copyFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Result, run, Scratch } from "../helpers/built.ts";

/** A private home, made by `qmail init`. */
async function madeHome(scratch: Scratch): Promise<string> {
  const home = scratch.in("home");
  expect((await run("qmail", { args: ["init", "--home", home, "--host", "test.example"] })).code).toBe(0);
  expect((await run("qmail", { args: ["user", "add", "--home", home, "ann"] })).code).toBe(0);
  return home;
}

const check = (home: string): Promise<Result> =>
  run("qmail", { args: ["check", "--home", home, "--no-dns", "--json"] });

interface Report {
  kind: string;
  faults: number;
  findings: { level: string; about: string; what: string; mend: string }[];
}

const reportOf = ({ stdout }: Result): Report => JSON.parse(stdout) as Report;

test("a new home is in order", async () => {
  using scratch = new Scratch();
  const result = await check(await madeHome(scratch));
  expect([result.code, reportOf(result).kind, reportOf(result).faults]).toEqual([0, "private", 0]);
});

type Break = (home: string) => void;
const breaks: readonly (readonly [what: string, deed: Break])[] = [
  ["has mode 0777, and should have 0700", (home) => chmodSync(join(home, "queue/pid"), 0o777)],
  ["is missing", (home) => rmSync(join(home, "queue/local/3"), { recursive: true })],
  [
    "is no fifo",
    (home) => {
      rmSync(join(home, "queue/lock/trigger"));
      writeFileSync(join(home, "queue/lock/trigger"), "");
    },
  ],
  [
    "cannot be executed",
    (home) => {
      rmSync(join(home, "bin/qmail-send"));
      writeFileSync(join(home, "bin/qmail-send"), "");
    },
  ],
  [
    "names test.example, which is in locals, too",
    (home) => writeFileSync(join(home, "control/virtualdomains"), "test.example:ann\n"),
  ],
  [
    "begins with a blank",
    (home) => writeFileSync(join(home, "control/rcpthosts"), "test.example\n example.com\n"),
  ],
  [
    "is missing, so that morercpthosts has no effect",
    (home) => writeFileSync(join(home, "control/morercpthosts"), "example.com\n"),
  ],
  ["is empty, which is a value of its own", (home) => writeFileSync(join(home, "control/helohost"), "\n")],
  ["line 1 is no assignment", (home) => writeFileSync(join(home, "users/assign"), "ann\n.\n")],
  ["does not end with a line of a single dot", (home) => writeFileSync(join(home, "users/assign"), "")],
  [
    "is not what qmail-newu makes of users/assign",
    (home) => copyFileSync(join(home, "control/me"), join(home, "users/cdb")),
  ],
  [
    "holds hashes of passwords, and is not for its owner alone",
    (home) => writeFileSync(join(home, "users/poppasswd"), "", { mode: 0o640 }),
  ],
  ["anybody can write to", (home) => chmodSync(join(home, "mail/ann"), 0o777)],
  ["cannot be entered (ENOENT)", (home) => renameSync(join(home, "mail/ann"), join(home, "mail/bob"))],
  ["the text of a message is gone", (home) => writeFileSync(join(home, "queue/info/7/7"), "")],
  ["recipients have no message any more", (home) => writeFileSync(join(home, "queue/remote/1/24"), "")],
  [
    "lies in folder 2, and nobody looks for it but in 1",
    (home) => writeFileSync(join(home, "queue/mess/2/24"), ""),
  ],
  ["has another inode than its number", (home) => writeFileSync(join(home, "queue/mess/1/24"), "")],
];

test.each(breaks)("it finds what %s, and exits 1", async (what, deed) => {
  using scratch = new Scratch();
  const home = await madeHome(scratch);
  deed(home);
  const result = await check(home);
  const { findings } = reportOf(result);
  const found = findings.filter((finding) => finding.level === "fault" && finding.what.includes(what));
  expect(found.map(({ about }) => about.startsWith(`${home}/`))).toEqual([true]);
  expect([found[0]?.mend === "", result.code]).toEqual([false, 1]);
});

test("for people each fault comes with its mend, and a summary", async () => {
  using scratch = new Scratch();
  const home = await madeHome(scratch);
  chmodSync(join(home, "queue/pid"), 0o777);
  const { stdout } = await run("qmail", { args: ["check", "--no-dns"], env: { QMAILHOME: home } });
  expect(stdout).toContain(
    `fault: ${home}/queue/pid has mode 0777, and should have 0700\n       mend: chmod 0700 ${home}/queue/pid\n`,
  );
  expect(stdout).toEndWith(`${home}: 1 fault, 1 note\n`);
});

test("what is no home is refused", async () => {
  using scratch = new Scratch();
  const result = await check(scratch.path);
  expect([result.code, result.stdout]).toEqual([100, ""]);
  expect(result.stderr).toContain("is no qmail home: it has neither control nor queue");
});
