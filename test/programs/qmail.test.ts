/** qmail(1): private homes are made, mended, refused, given away; mail users come and go. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../src/core/cli/version.ts";
import { queueLayout } from "../../src/core/queue/layout.ts";
import { type Outcome, programs, run } from "../scenarios/home.ts";

setDefaultTimeout(900_000);

const scratch = mkdtempSync(join(tmpdir(), "qmail-init-"));
chmodSync(scratch, 0o755);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let count = 0;
/** A path where nothing is. */
const place = (): string => join(scratch, `home${count++}`);
const qmail = (...args: string[]): Promise<Outcome> => run([join(programs, "qmail"), ...args]);
const asRoot = process.geteuid?.() === 0;
const stranger = { uid: 65534, gid: 65534 };

async function fresh(...args: string[]): Promise<string> {
  const home = place();
  const outcome = await qmail("init", "--home", home, "--host", "mail.example.org", ...args);
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  return home;
}

const text = (...path: string[]): string => readFileSync(join(...path), "utf8");

/** Everything in a home: path, kind and mode, link target or content; users/cdb by its content as well. */
function inventory(home: string): string[] {
  return readdirSync(home, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mode } = lstatSync(path);
      const content = entry.isSymbolicLink()
        ? readlinkSync(path)
        : entry.isFile()
          ? readFileSync(path, "latin1")
          : "";
      return `${path} ${mode.toString(8)} ${content}`;
    })
    .sort();
}

describe("qmail init", () => {
  test("makes the queue that the other programs expect", async () => {
    const home = await fresh();
    for (const { path, mode, kind, length } of queueLayout()) {
      const found = lstatSync(join(home, path));
      expect([path, found.mode & 0o7777]).toEqual([path, mode]);
      expect(kind === "fifo" ? found.isFIFO() : kind === "file" ? found.isFile() : found.isDirectory()).toBe(
        true,
      );
      if (length !== undefined) expect(readFileSync(join(home, path))).toEqual(Buffer.alloc(length));
    }
    for (const kind of ["mess", "info", "local", "remote"])
      expect(readdirSync(join(home, "queue", kind))).toHaveLength(23);
  });

  test("writes the control files", async () => {
    const home = await fresh();
    expect(
      readdirSync(join(home, "control"))
        .sort()
        .map((name) => [name, text(home, "control", name)]),
    ).toEqual([
      ["defaultdomain", "example.org\n"],
      ["locals", "mail.example.org\nlocalhost\n"],
      ["me", "mail.example.org\n"],
      ["plusdomain", "example.org\n"],
      ["rcpthosts", "mail.example.org\nlocalhost\n"],
    ]);
  });

  test("links every program, and rc is a start script", async () => {
    const home = await fresh();
    for (const name of readdirSync(join(home, "bin"))) expect(existsSync(join(home, "bin", name))).toBe(true);
    expect(readdirSync(join(home, "bin")).sort()).toEqual(
      readdirSync(programs)
        .filter((name) => name !== "qmail-ts")
        .sort(),
    );
    expect(statSync(join(home, "rc")).mode & 0o777).toBe(0o755);
    expect(text(home, "rc")).toContain("qmail-start ./Maildir/");
  });

  test("leads the owner, postmaster, mailer-daemon and root to the owner", async () => {
    const home = await fresh();
    const [owner = ""] = (await qmail("user", "list", "--home", home)).stdout.split("\t");
    const { uid, gid } = statSync(home);
    expect(text(home, "users/assign")).toBe(
      `=${owner}:${owner}:${uid}:${gid}:${home}/mail/${owner}:::
+${owner}-:${owner}:${uid}:${gid}:${home}/mail/${owner}:-::
=alias:alias:${uid}:${gid}:${home}/alias:::
+:alias:${uid}:${gid}:${home}/alias:-::
.
`,
    );
    for (const name of ["", "-postmaster", "-mailer-daemon", ...(owner === "root" ? [] : ["-root"])])
      expect(text(home, `alias/.qmail${name}`)).toBe(`&${owner}\n`);
    expect(readdirSync(join(home, `mail/${owner}/Maildir`)).sort()).toEqual(["cur", "new", "tmp"]);
    expect(statSync(join(home, `mail/${owner}`)).mode & 0o777).toBe(0o700);
    expect(existsSync(join(home, "users/cdb"))).toBe(true);
  });

  test("a second run changes nothing and says so", async () => {
    const home = await fresh();
    writeFileSync(join(home, "control/locals"), "mail.example.org\nother.example.org\n");
    const before = inventory(home);
    expect(await qmail("init", "--home", `${home}//`)).toEqual({
      code: 0,
      stdout: `${home} is complete: nothing was missing\n`,
      stderr: "",
    });
    expect(inventory(home)).toEqual(before);
  });

  test("puts back whatever is missing, and nothing else", async () => {
    const home = await fresh();
    await qmail("user", "add", "--home", home, "ann");
    const before = inventory(home);
    const missing = [
      "alias/.qmail-postmaster",
      "bin/qmail-queue",
      "control/rcpthosts",
      "mail/ann",
      "queue/lock/tcpto",
      "queue/lock/trigger",
      "queue/mess/22",
      "queue/todo",
      "rc",
      "users/cdb",
    ];
    for (const path of missing) rmSync(join(home, path), { recursive: true });
    symlinkSync("/nowhere", join(home, "bin/qmail-queue"));
    const { code, stdout } = await qmail("init", "--home", home);
    expect(code).toBe(0);
    for (const path of missing) expect(stdout).toContain(`put back ${home}/${path}\n`);
    expect(inventory(home)).toEqual(before);
  });

  test("finishes what an interrupted run began", async () => {
    const home = place();
    mkdirSync(join(home, "control"), { recursive: true });
    writeFileSync(join(home, "control/me.123.tmp"), "mail.exa");
    expect((await qmail("init", "--home", home, "--host", "mail.example.org")).code).toBe(0);
    expect(text(home, "control/me")).toBe("mail.example.org\n");
  });

  test("keeps the split of a queue that has another one", async () => {
    const home = await fresh();
    for (const kind of ["mess", "info", "local", "remote"])
      for (let part = 7; part < 23; part++) rmSync(join(home, `queue/${kind}/${part}`), { recursive: true });
    rmSync(join(home, "queue/mess/6"), { recursive: true });
    const { stdout } = await qmail("init", "--home", home);
    expect(stdout).toBe(`put back ${home}/queue/mess/6\n`);
  });

  test("follows a home that was moved", async () => {
    const from = await fresh();
    await qmail("user", "add", "--home", from, "ann");
    const to = place();
    renameSync(from, to);
    expect((await qmail("init", "--home", to)).code).toBe(0);
    expect(text(to, "users/assign")).not.toContain(from);
    expect(text(to, "users/assign")).toContain(`${to}/mail/ann:::`);
    expect(readFileSync(join(to, "users/cdb"), "latin1")).not.toContain(from);
    expect(text(to, "rc")).toContain(`home='${to}'`);
  });

  test("a path with blanks and quotes works in rc", async () => {
    const home = join(scratch, "it's a home");
    expect((await qmail("init", "--home", home, "--host", "a.b")).code).toBe(0);
    const [assignment] = text(home, "rc").match(/^home=.*$/m) ?? [];
    expect((await run(["/bin/sh", "-c", `${assignment}; printf %s "$home"`])).stdout).toBe(home);
  });

  test("takes the home from QMAILHOME", async () => {
    const home = place();
    const { code } = await run([join(programs, "qmail"), "init"], { environment: { QMAILHOME: home } });
    expect(code).toBe(0);
    expect(existsSync(join(home, "control/me"))).toBe(true);
  });
});

describe("qmail init refuses", () => {
  test("a directory that is neither empty nor a home", async () => {
    const home = place();
    mkdirSync(home);
    writeFileSync(join(home, "thesis.txt"), "");
    const { code, stderr } = await qmail("init", "--home", home);
    expect(code).toBe(100);
    expect(stderr).toBe(
      `qmail: fatal: ${home} is neither empty nor a qmail home (it has no control/me); nothing was changed\n`,
    );
    expect(readdirSync(home)).toEqual(["thesis.txt"]);
  });

  test("a host name that the home does not have", async () => {
    const home = await fresh();
    const { code, stderr } = await qmail("init", "--home", home, "--host", "other.example.org");
    expect(code).toBe(100);
    expect(stderr).toContain(`is the home of host mail.example.org, not other.example.org`);
  });

  test("a file where a directory has to be", async () => {
    const home = await fresh();
    rmSync(join(home, "queue/todo"), { recursive: true });
    writeFileSync(join(home, "queue/todo"), "");
    const { code, stderr } = await qmail("init", "--home", home);
    expect(code).toBe(111);
    expect(stderr).toBe(`qmail: fatal: unable to make ${home}/queue/todo: file already exists\n`);
  });

  const rows: readonly (readonly [about: string, args: string[], says: string])[] = [
    [
      "a wrong host name",
      ["init", "--home", join(scratch, "none"), "--host", "a..b"],
      `"a..b" is not a host name`,
    ],
    [
      "an address as host",
      ["init", "--home", join(scratch, "none"), "--host", "10.0.0.1"],
      `"10.0.0.1" is not a host name`,
    ],
    ["a colon in the path", ["init", "--home", "/tmp/a:b"], "users/assign can not hold it"],
    ["the root directory", ["init", "--home", "/"], "the root directory can not be a qmail home"],
    ["a file", ["init", "--home", "/etc/passwd"], "/etc/passwd is not a directory"],
    [
      "an unknown user",
      ["init", "--home", join(scratch, "none"), "--user", "no.such.user"],
      'no user "no.such.user"',
    ],
    ["no home", ["init"], "which home? give --home DIR, or set QMAILHOME"],
    ["a home that is not there", ["user", "list", "--home", join(scratch, "none")], "is no qmail home yet"],
    ["an unknown command", ["frobnicate"], "unknown command 'frobnicate'"],
    ["an unknown option", ["init", "--hom", join(scratch, "none")], "unknown option '--hom'"],
    ["nobody to add", ["user", "add", "--home", join(scratch, "none")], "missing required argument 'name'"],
    [
      "a name with a slash",
      ["user", "add", "--home", join(scratch, "none"), "a/b"],
      '"a/b" can not be a mail user',
    ],
    ["the alias user", ["user", "add", "--home", join(scratch, "none"), "alias"], "choose another name"],
  ];
  for (const [about, args, says] of rows)
    test(about, async () => {
      const { code, stderr } = await qmail(...args);
      expect(stderr).toContain(says);
      expect(stderr).toStartWith("qmail: fatal: ");
      expect(code).toBe(100);
    });
});

describe("qmail user", () => {
  test("add gives mailboxes, once", async () => {
    const home = await fresh();
    const first = await qmail("user", "add", "--home", home, "ann", "Bob.Smith", "ann");
    expect(first.code).toBe(0);
    const { stdout } = await qmail("user", "add", "--home", home, "ann");
    expect(stdout).toBe(`ann has a mailbox already: ${home}/mail/ann/Maildir\n`);
    const names = (await qmail("user", "list", "--home", home)).stdout
      .split("\n")
      .map((line) => line.split("\t")[0]);
    expect(names.slice(1)).toEqual(["ann", "bob.smith", ""]);
    expect(text(home, "users/assign").match(/^=ann:/gm)).toHaveLength(1);
    expect(readdirSync(join(home, "mail/bob.smith/Maildir")).sort()).toEqual(["cur", "new", "tmp"]);
  });

  test("keeps lines of the administrator", async () => {
    const home = await fresh();
    const path = join(home, "users/assign");
    const byHand = "=joe:joe:1234:1234:/home/joe:::\n";
    writeFileSync(path, byHand + text(path));
    await qmail("user", "add", "--home", home, "ann");
    await qmail("user", "remove", "--home", home, "ann");
    expect(text(path)).toStartWith(byHand);
    const { code, stderr } = await qmail("user", "add", "--home", home, "joe");
    expect([code, stderr]).toEqual([100, `qmail: fatal: joe is assigned to somebody else in ${path}\n`]);
  });

  test("many at once lose nobody", async () => {
    const home = await fresh();
    const names = ["a", "b", "c", "d", "e"];
    const outcomes = await Promise.all(names.map((name) => qmail("user", "add", "--home", home, name)));
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    const listed = (await qmail("user", "list", "--home", home)).stdout
      .split("\n")
      .map((line) => line.split("\t")[0]);
    expect(listed.slice(1, -1).sort()).toEqual(names);
  });

  test("remove takes the address and leaves the mail; the owner stays", async () => {
    const home = await fresh();
    await qmail("user", "add", "--home", home, "ann");
    writeFileSync(join(home, "mail/ann/Maildir/new/1"), "mail");
    expect((await qmail("user", "remove", "--home", home, "ann")).code).toBe(0);
    expect(text(home, "users/assign")).not.toContain("ann");
    expect(text(home, "mail/ann/Maildir/new/1")).toBe("mail");
    expect((await qmail("user", "remove", "--home", home, "ann")).code).toBe(100);
    const [owner = ""] = (await qmail("user", "list", "--home", home)).stdout.split("\t");
    const refused = await qmail("user", "remove", "--home", home, owner);
    expect([refused.code, refused.stderr]).toEqual([
      100,
      `qmail: fatal: ${owner} owns this home and gets the mail of postmaster: not removed\n`,
    ]);
  });
});

describe("qmail for people", () => {
  test("--help and --version are answers, not mistakes", async () => {
    const help = await qmail("--help");
    expect([help.code, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("Exit codes: 0 done, 100 refused, 111 temporary trouble");
    expect(await qmail("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    expect((await qmail()).code).toBe(100);
  });
});

const rootOnly = asRoot ? describe : describe.skip;
rootOnly("homes and their owners (needs root)", () => {
  test("init --user gives everything to that user", async () => {
    const home = await fresh("--user", "nobody");
    await qmail("user", "add", "--home", home, "ann");
    const { uid } = statSync(home);
    expect(uid).not.toBe(0);
    const foreign = readdirSync(home, { recursive: true, encoding: "utf8" }).filter(
      (path) => lstatSync(join(home, path)).uid !== uid,
    );
    expect(foreign).toEqual([]);
    expect((await qmail("user", "list", "--home", home)).stdout).toStartWith(
      `nobody\t${home}/mail/nobody/Maildir\towner`,
    );
    expect((await qmail("init", "--home", home)).stdout).toBe(`${home} is complete: nothing was missing\n`);
  });

  test("a home takes the programs along where its owner could not run them", async () => {
    const hidden = join(scratch, "hidden");
    mkdirSync(join(hidden, "bin"), { recursive: true });
    chmodSync(hidden, 0o700);
    copyFileSync(join(programs, "qmail"), join(hidden, "bin/qmail-ts"));
    for (const name of readdirSync(programs).filter((name) => name !== "qmail-ts"))
      linkSync(join(hidden, "bin/qmail-ts"), join(hidden, "bin", name));
    const home = place();
    const init = () => run([join(hidden, "bin/qmail"), "init", "--home", home, "--user", "nobody"]);
    expect(await init()).toMatchObject({ code: 0, stderr: "" });
    expect(await init()).toMatchObject({ code: 0, stdout: `${home} is complete: nothing was missing\n` });
    expect(statSync(join(home, "bin/qmail-queue")).ino).toBe(statSync(join(home, "bin/qmail-ts")).ino);
    rmSync(hidden, { recursive: true });
  });

  test("a home changes hands", async () => {
    const home = await fresh();
    await qmail("user", "add", "--home", home, "ann");
    expect((await qmail("init", "--home", home, "--user", "nobody")).code).toBe(0);
    const { uid, gid } = statSync(home);
    expect(text(home, "users/assign")).toContain(`=ann:ann:${uid}:${gid}:${home}/mail/ann:::`);
    expect(text(home, "users/assign")).toStartWith("=nobody:");
    expect(text(home, "alias/.qmail-postmaster")).toBe("&nobody\n");
    expect(text(home, "alias/.qmail-root")).toBe("&nobody\n");
    expect(lstatSync(join(home, "queue/lock/trigger")).uid).toBe(uid);
  });

  test("nobody meddles with another's home, or gives one away", async () => {
    const home = await fresh();
    const as = (args: string[]) => run([join(programs, "qmail"), ...args], { as: stranger });
    const refusals = [
      await as(["init", "--home", home]),
      await as(["user", "add", "--home", home, "x"]),
      await as(["init", "--home", join(scratch, "y"), "--user", "root"]),
    ];
    expect(refusals.map(({ code }) => code)).toEqual([100, 100, 100]);
    expect(refusals[0]?.stderr).toContain(`${home} belongs to root; this is `);
    expect(refusals[2]?.stderr).toContain("only root can give a home to root");
  });

  test("a number without an account has a home, too", async () => {
    const directory = place();
    mkdirSync(directory);
    chownSync(directory, 54321, 54321);
    const as = { uid: 54321, gid: 54321 };
    const { code, stdout } = await run([join(programs, "qmail"), "init", "--home", join(directory, "h")], {
      as,
    });
    expect([code, stdout.split("\n")[0]]).toEqual([0, expect.stringMatching(/^made .*: mail for owner@/)]);
  });

  test("a directory that can not be written is named", async () => {
    const home = join(scratch, "unwritable", "home");
    mkdirSync(join(scratch, "unwritable"), { mode: 0o755 });
    const { code, stderr } = await run([join(programs, "qmail"), "init", "--home", home], { as: stranger });
    expect([code, stderr]).toEqual([111, `qmail: fatal: unable to make directory ${home}: access denied\n`]);
  });
});
