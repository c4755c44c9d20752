/** qmail-local under bad conditions; what it does under good ones is in test/conformance. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
} from "node:fs";
import { bin, type Result, type Run, run, Scratch } from "../helpers/built.ts";
import { canUnshare, unshare } from "../helpers/namespace.ts";

const header = "Return-Path: <s@t>\nDelivered-To: joe@h\n";
const message = "Subject: x\n\nbody\n";
const root = process.geteuid?.() === 0;
const nobody = 65534;

/** A home with a Maildir, and a message next to it. */
class Home extends Scratch {
  constructor(dotQmail?: string, content: string | Uint8Array = message, under?: string) {
    super(under);
    chmodSync(this.path, 0o755);
    for (const part of ["tmp", "new", "cur"]) mkdirSync(this.in("home/Maildir", part), { recursive: true });
    chmodSync(this.in("home"), 0o755);
    if (dotQmail !== undefined) this.write("home/.qmail", dotQmail);
    this.write("message", content);
  }
  deliver(how: Run = {}, sender = "s@t"): Promise<Result> {
    const args = ["--", "joe", this.in("home"), "joe", "", "", "h", sender, "./Mailbox"];
    return run("qmail-local", { args, stdin: { file: this.in("message") }, ...how });
  }
  /** The one message in new, one character a byte. */
  get inMaildir(): string {
    const names = readdirSync(this.in("home/Maildir/new"));
    expect(names).toHaveLength(1);
    expect(readdirSync(this.in("home/Maildir/tmp"))).toEqual([]);
    return this.read(`home/Maildir/new/${names[0]}`);
  }
  /** The mbox without its From_ line. */
  get inMailbox(): string {
    return this.read("home/Mailbox").replace(/^From s@t .*\n/, "");
  }
}

/** .qmail; exit code and what is said. */
const refusals: readonly (readonly [string, number, string])[] = [
  ["\n./Mailbox\n", 111, "Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"],
  ["+list\n./Mailbox\n", 111, "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n"],
  ["+list\n|true\n", 111, "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)\n"],
  ["./Maildir\n", 111, "Unable to open ./Maildir: is a directory. (#4.2.1)\n"],
  ["./no/box\n", 111, "Unable to open ./no/box: file does not exist. (#4.2.1)\n"],
  ["./.qmail/\n", 111, "Unable to chdir to maildir. (#4.2.1)\n"],
  ["./no/\n", 111, "Unable to chdir to maildir. (#4.2.1)\n"],
  [`./${"x".repeat(300)}/\n`, 111, "Unable to chdir to maildir. (#4.2.1)\n"],
  [`./${"x".repeat(300)}\n`, 111, `Unable to open ./${"x".repeat(300)}: file name too long. (#4.2.1)\n`],
  [`|: ${"x".repeat(200_000)}\n`, 111, "Unable to run /bin/sh: argument list too long. (#4.3.0)\n"],
  ["|kill -9 $$\n", 111, "Aack, child crashed. (#4.3.0)\n"],
  ["|exit 100\n", 100, ""],
  ["|exit 77\n", 100, ""],
  ["|exit 1\n", 111, ""],
  ["/dev/full\n", 111, "Unable to write /dev/full: out of disk space. (#4.3.0)\n"],
];
for (const [dotQmail, code, said] of refusals) {
  test(`.qmail ${JSON.stringify(dotQmail.slice(0, 40))}: ${code}`, async () => {
    using home = new Home(dotQmail);
    const result = await home.deliver();
    expect(result).toMatchObject({ code, stdout: "", stderr: said });
    expect(existsSync(home.in("home/Mailbox"))).toBe(false);
  });
}

test("a missing home", async () => {
  using home = new Home();
  const args = ["joe", home.in("none"), "joe", "", "", "h", "s@t", "./Mailbox"];
  const result = await run("qmail-local", { args });
  expect(result.stderr).toBe(`Unable to switch to ${home.in("none")}: file does not exist. (#4.3.0)\n`);
  expect(result.code).toBe(111);
});

for (const part of ["tmp", "new"]) {
  test(`a Maildir without ${part}`, async () => {
    using home = new Home("./bad/\n");
    mkdirSync(home.in("home/bad", part === "tmp" ? "new" : "tmp"), { recursive: true });
    const result = await home.deliver();
    expect(result).toMatchObject({ code: 111, stderr: "Temporary error on maildir delivery. (#4.3.0)\n" });
    expect(readdirSync(home.in("home/bad", part === "tmp" ? "new" : "tmp"))).toEqual([]);
  });
}

/** Rows as an ordinary user: what root may do anyway. */
const denied: readonly (readonly [string, string, string])[] = [
  [".qmail", ".qmail", "Unable to open .qmail: access denied. (#4.3.0)\n"],
  ["mbox", "Mailbox", "Unable to open ./Mailbox: access denied. (#4.2.1)\n"],
];
for (const [what, name, said] of denied) {
  test(`a ${what} that we may not touch`, async () => {
    using home = new Home("./Mailbox\n");
    chmodSync(home.write(`home/${name}`, "./Mailbox\n"), 0o000);
    for (const path of root ? [home.in("home"), home.in("home", name)] : []) chownSync(path, nobody, nobody);
    const result = await home.deliver(root ? { uid: nobody } : {});
    expect(result).toMatchObject({ code: 111, stderr: said });
  });
}

const odd: readonly (readonly [string, string, string])[] = [
  ["nothing", "", "\n"],
  ["no line feed at the end", "A: b\n\nFrom x", "A: b\n\n>From x\n\n"],
  ["NULs and 8-bit bytes", "A: \0\xff\n\n\0\n", "A: \0\xff\n\n\0\n\n"],
  ["a line of 1 MB", `A: ${"y".repeat(1_000_000)}\n`, `A: ${"y".repeat(1_000_000)}\n\n`],
  [
    "a body line of 1 MB that begins with From",
    `\nFrom ${"y".repeat(1_000_000)}`,
    `\n>From ${"y".repeat(1_000_000)}\n\n`,
  ],
];
for (const [name, content, mbox] of odd) {
  test(`a message with ${name}`, async () => {
    using home = new Home("./Maildir/\n./Mailbox\n|cat >copy\n", Buffer.from(content, "latin1"));
    const result = await home.deliver();
    expect(result).toMatchObject({ code: 0, stdout: "did 2+0+1\n", stderr: "" });
    expect(home.inMaildir === header + content).toBe(true);
    expect(home.inMailbox === header + mbox).toBe(true);
    expect(home.read("home/copy") === content).toBe(true);
  });
}

test("every delivery reads the message from its beginning, wherever the descriptor stands", async () => {
  using home = new Home("|read line; echo $line >first\n|cat >copy\n./Maildir/\n&x@y\n|head -c 3 >three\n");
  const command = `read line; exec ${bin}/qmail-local joe ${home.in("home")} joe '' '' h s@t ./Mailbox`;
  const child = Bun.spawn(["/bin/sh", "-c", command], {
    stdio: [openSync(home.in("message"), "r"), "ignore", "inherit"],
    env: { PATH: "/usr/bin:/bin", QMAILQUEUE: home.queueProgram(), QMAILHOME: home.path },
  });
  expect(await child.exited).toBe(0);
  expect(home.read("home/first")).toBe("Subject: x\n");
  expect(home.read("home/copy")).toBe(message);
  expect(home.read("home/three")).toBe("Sub");
  expect(home.inMaildir).toBe(header + message);
  expect(home.read("queued-message")).toBe(`Delivered-To: joe@h\n${message}`);
});

test("100000 forwards go into one envelope, in their order", async () => {
  const addresses = Array.from({ length: 100_000 }, (_, index) => `user${index}@host.example`);
  using home = new Home(addresses.map((address) => `&${address}\n`).join(""));
  const queue = home.queueProgram();
  const result = await home.deliver({ env: { QMAILQUEUE: queue, QMAILHOME: home.path } });
  expect(result.stderr).toBe("");
  expect(result.stdout).toMatch(/^did 0\+100000\+0\nqp [1-9]\d*\n$/);
  expect(
    home.read("queued-envelope") === `Fs@t\0${addresses.map((address) => `T${address}\0`).join("")}\0`,
  ).toBe(true);
});

test("forwards wait for everything else, and a queue program that is not there is temporary", async () => {
  using home = new Home("&a@b\n|exit 111\n");
  const env = { QMAILQUEUE: home.queueProgram(), QMAILHOME: home.path };
  expect(await home.deliver({ env })).toMatchObject({ code: 111, stdout: "", stderr: "" });
  expect(existsSync(home.in("queued-envelope"))).toBe(false);
  home.write("home/.qmail", "&a@b\n");
  const result = await home.deliver({ env: { ...env, QMAILQUEUE: home.in("none") } });
  expect(result.stderr).toMatch(/^Unable to forward message: .* \(#4\.3\.0\)\.\n$/);
  expect(result.code).toBe(111);
});

test("the queue program gets the variables of the delivery", async () => {
  using home = new Home("&a@b\n");
  const script = `#!/bin/sh\nprintf '%s %s' "$RECIPIENT" "$SENDER" >'${home.in("variables")}'\ncat >&2\n`;
  const queue = home.write("queue", script, 0o755);
  await home.deliver({ env: { QMAILQUEUE: queue, QMAILHOME: home.path } });
  expect(home.read("variables")).toBe("joe@h s@t");
});

test("where programs are not run, nothing is delivered and the reason is told", async () => {
  using home = new Home("./Maildir/\n|touch ran\n");
  const result = await home.deliver({ env: { QMAILNOPROGRAM: "root owns this home" } });
  const said = "Unable to run program: root owns this home. (#4.3.0)\n";
  expect(result).toMatchObject({ code: 111, stdout: "", stderr: said });
  expect(readdirSync(home.in("home/Maildir/new"))).toEqual([]);
  home.write("home/.qmail", "./Maildir/\n");
  expect(await home.deliver({ env: { QMAILNOPROGRAM: "x" } })).toMatchObject({ code: 0 });
});

test("a program has the signals and the umask that it expects", async () => {
  using home = new Home("|yes | head -1; umask\n");
  expect(await home.deliver()).toMatchObject({ code: 0, stdout: "y\n0077\ndid 0+0+1\n", stderr: "" });
});

test("an option that does not exist", async () => {
  const { code, stderr } = await run("qmail-local", { args: ["-x"] });
  expect(stderr).toStartWith("qmail-local: illegal option -- x\nqmail-local: usage: ");
  expect(code).toBe(100);
});

test.skipIf(!existsSync("/dev/shm"))("memory does not grow with the message", async () => {
  using home = new Home("./Maildir/\n./Mailbox\n|cat >/dev/null\n&a@b\n", "Subject: big\n\n", "/dev/shm");
  const size = 200 * 1024 * 1024;
  truncateSync(home.in("message"), size);
  const queue = home.write("queue", "#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n", 0o755);
  const result = await home.deliver({ env: { QMAILQUEUE: queue, QMAILHOME: home.path } });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(result.memory).toBeLessThan(100 * 1024 * 1024);
});

test.skipIf(!canUnshare())("a full disk leaves mbox and Maildir as they were (needs root)", () => {
  using home = new Home("./small/Mailbox\n", "x".repeat(500_000));
  mkdirSync(home.in("home/small"));
  const local = `${bin}/qmail-local joe ${home.in("home")} joe '' '' h s@t`;
  const script = [
    `mount -t tmpfs -o size=256k tmpfs ${home.in("home/small")}`,
    `cd ${home.in("home/small")}; mkdir -p M/tmp M/new M/cur; echo old >Mailbox`,
    `${local} '' <../../message; echo $?`,
    `rm ../.qmail; ${local} ./small/M/ <../../message; echo $?`,
    "cat Mailbox; find M -type f",
  ].join("\n");
  const result = Bun.spawnSync([...unshare, "/bin/sh", "-c", script], { stderr: "pipe" });
  expect(result.stdout.toString()).toBe("111\n111\nold\n");
  expect(result.stderr.toString()).toBe(
    "Unable to write ./small/Mailbox: out of disk space. (#4.3.0)\nTemporary error on maildir delivery. (#4.3.0)\n",
  );
});

/** Redirections; exit code; how many messages are delivered. */
const descriptors: readonly (readonly [string, number, number])[] = [
  ["<message >/dev/full", 0, 1],
  ["<message >&-", 0, 1],
  ["<message 2>&-", 0, 1],
  ["<&-", 111, 0],
  ["</dev/null", 111, 0],
  ["<.", 111, 0],
];
for (const [redirections, code, delivered] of descriptors) {
  test(`descriptors ${redirections}`, () => {
    using home = new Home("./Maildir/\n");
    const command = `${bin}/qmail-local joe ${home.in("home")} joe '' '' h s@t ./Mailbox ${redirections}`;
    expect(Bun.spawnSync(["/bin/sh", "-c", command], { cwd: home.path }).exitCode).toBe(code);
    expect(readdirSync(home.in("home/Maildir/new"))).toHaveLength(delivered);
  });
}

test("a mailbox is closed to others", async () => {
  using home = new Home("./Maildir/\n./Mailbox\n");
  await home.deliver();
  const [name = ""] = readdirSync(home.in("home/Maildir/new"));
  for (const path of ["Mailbox", `Maildir/new/${name}`])
    expect(
      Bun.file(home.in("home", path))
        .stat()
        .then(({ mode }) => mode & 0o777),
    ).resolves.toBe(0o600);
  expect(readFileSync(home.in("home/Mailbox"), "latin1")).toStartWith("From s@t ");
});
