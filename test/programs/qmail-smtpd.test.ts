/** qmail-smtpd under bad conditions, and what only a real client sees; the recorded cases are in test/conformance. */
import { expect, test } from "bun:test";
import { chmodSync, closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bin, run, Scratch } from "../helpers/built.ts";

const begin = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

/** A home with control/me. */
class Home extends Scratch {
  readonly env: Record<string, string>;
  constructor() {
    super();
    this.write("control/me", "mx\n");
    this.env = { QMAILHOME: this.path, QMAILQUEUE: this.queueProgram() };
  }
  /** Says something to the server, all at once. */
  say(stdin: string | { file: string }, env: Record<string, string> = {}) {
    return run("qmail-smtpd", {
      stdin: typeof stdin === "string" ? Buffer.from(stdin, "latin1") : stdin,
      env: { ...this.env, ...env },
    });
  }
  /** Starts a server that the test talks to step by step. */
  connect() {
    return Bun.spawn([join(bin, "qmail-smtpd")], { stdio: ["pipe", "pipe", "pipe"], env: this.env });
  }
}

const controls = "421 unable to read controls (#4.3.0)\r\n";

test("without a home, and with one that cannot be read, the client is told", async () => {
  using home = new Home();
  expect(await home.say("", { QMAILHOME: home.in("no") })).toMatchObject({ code: 1, stdout: controls });
  mkdirSync(home.in("control/smtpextensions"));
  expect(await home.say("QUIT\r\n")).toMatchObject({ code: 1, stdout: controls, stderr: "" });
});

test("control/smtpextensions turns extensions on, and nothing else that it names", async () => {
  using home = new Home();
  home.write("control/smtpextensions", "# ours\nsize\nSTARTTLS\nSMTPUTF8 \n");
  const { stdout } = await home.say("EHLO x\r\n", { DATABYTES: "7000000000" });
  expect(stdout).toBe(
    "220 mx ESMTP\r\n250-mx\r\n250-SIZE 7000000000\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
  );
});

test("a queue program that is not there is a temporary failure", async () => {
  using home = new Home();
  const { code, stdout } = await home.say(`${begin}x\r\n.\r\nQUIT\r\n`, { QMAILQUEUE: home.in("no") });
  expect({ code, last: stdout.split("\r\n").slice(-3) }).toEqual({
    code: 0,
    last: ["451 unable to exec qq (#4.3.0)", "221 mx", ""],
  });
});

test("a queue program that refuses early is believed, however much follows", async () => {
  using home = new Home();
  const program = home.write("refuse", "#!/bin/sh\nexit 31\n", 0o755);
  const body = `${"x".repeat(998)}\r\n`.repeat(2000);
  const { code, stdout } = await home.say(`${begin}${body}.\r\nQUIT\r\n`, { QMAILQUEUE: program });
  expect(code).toBe(0);
  expect(stdout).toContain("554 mail server permanently rejected message (#5.3.0)\r\n221 mx\r\n");
});

for (const [name, text] of [
  ["ends in the middle", "x\r\n."],
  ["has a bare line feed", "x\n.\r\n"],
  ["is too big", `${"x".repeat(100)}\r\n.\r\n`],
] as const) {
  test(`a message that ${name} never becomes complete for the queue program`, async () => {
    using home = new Home();
    const done = home.in("done");
    const script = `#!/bin/sh\ncat >/dev/null\ncat <&1 >'${home.in("envelope")}'\n: >'${done}'\nexit 0\n`;
    const QMAILQUEUE = home.write("q", script, 0o755);
    await home.say(`${begin}${text}`, { QMAILQUEUE, DATABYTES: "50" });
    while (!(await Bun.file(done).exists())) await Bun.sleep(5);
    expect(home.read("envelope")).toBe("");
  });
}

test("200 MB take bounded memory", async () => {
  using home = new Home();
  const file = openSync(home.in("session"), "w");
  writeSync(file, begin);
  ftruncateSync(file, 200 << 20);
  closeSync(file);
  const QMAILQUEUE = home.write("q", "#!/bin/sh\nexec cat >/dev/null\n", 0o755);
  const { code, stdout, memory } = await home.say({ file: home.in("session") }, { QMAILQUEUE });
  expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining("354 go ahead\r\n") });
  expect(memory).toBeLessThan(100 << 20);
});

test("every reply is there before the next command is", async () => {
  using home = new Home();
  const server = home.connect();
  const reader = server.stdout.getReader();
  const answer = async () => Buffer.from((await reader.read()).value ?? []).toString();
  expect(await answer()).toBe("220 mx ESMTP\r\n");
  const steps = [
    ["NOOP\r\n", "250 ok\r\n"],
    ["MAIL FROM:<a@b>\r\n", "250 ok\r\n"],
    ["RCPT TO:<c@d>\r\n", "250 ok\r\n"],
    ["DATA\r\n", "354 go ahead\r\n"],
    ["x\r\n.\r\n", expect.stringMatching(/^250 ok \d+ qp \d+\r\n$/)],
    ["NOOP\r\nBOO\r\nQUIT\r\nNOOP\r\n", "250 ok\r\n502 unimplemented (#5.5.1)\r\n221 mx\r\n"],
  ] as const;
  for (const [command, reply] of steps) {
    server.stdin.write(command);
    await server.stdin.flush();
    expect(await answer()).toEqual(reply);
  }
  expect(await server.exited).toBe(0);
  expect(home.read("queued-envelope")).toBe("Fa@b\0Tc@d\0\0");
});

test("a client that says nothing, or half of a command, is told that its time is over", async () => {
  using home = new Home();
  home.write("control/timeoutsmtpd", "1\n");
  home.write("control/smtpextensions", "EnhancedStatusCodes\n");
  const server = home.connect();
  server.stdin.write("NOOP\r\nNOO");
  await server.stdin.flush();
  expect(await new Response(server.stdout).text()).toBe(
    "220 mx ESMTP\r\n250 2.0.0 ok\r\n451 4.4.2 timeout\r\n",
  );
  expect(await server.exited).toBe(1);
});

test("a client that takes nothing is left after the same time", async () => {
  using home = new Home();
  home.write("control/timeoutsmtpd", "1\n");
  home.write("session", "EHLO x\r\n".repeat(100_000));
  const script = `{ '${join(bin, "qmail-smtpd")}' <'${home.in("session")}'; echo $? >'${home.in("code")}'; } | sleep 4`;
  const started = Date.now();
  const shell = Bun.spawn(["/bin/sh", "-c", script], {
    env: home.env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  while (!(await Bun.file(home.in("code")).exists()) && Date.now() - started < 3500) await Bun.sleep(50);
  expect(home.read("code")).toBe("1\n");
  shell.kill();
  await shell.exited;
});

test("a client that is gone ends the server without a word", async () => {
  using home = new Home();
  home.write("session", "NOOP\r\n".repeat(100_000));
  const server = `{ '${join(bin, "qmail-smtpd")}' <'${home.in("session")}'; echo $? >'${home.in("code")}'; }`;
  const shell = Bun.spawn(["/bin/sh", "-c", `${server} | true`], {
    stdio: ["ignore", "ignore", "pipe"],
    env: home.env,
  });
  expect(await new Response(shell.stderr).text()).toBe("");
  expect(home.read("code")).toBe("1\n");
});

test("without descriptors for the queue program, mail waits and the session goes on", async () => {
  using home = new Home();
  const script = `ulimit -n "$1"; exec '${join(bin, "qmail-smtpd")}'`;
  const outcomes = new Set<string>();
  for (let limit = 8; limit <= 24; limit++) {
    const server = Bun.spawn(["/bin/sh", "-c", script, "sh", String(limit)], {
      stdio: [Buffer.from(`${begin}RSET\r\nQUIT\r\n`), "pipe", "ignore"],
      env: home.env,
    });
    const text = await new Response(server.stdout).text();
    await server.exited;
    if (text.includes("451 qqt failure (#4.3.0)\r\n250 flushed\r\n221 mx\r\n")) outcomes.add("refused");
    if (text.endsWith("354 go ahead\r\n")) outcomes.add("taken");
  }
  expect([...outcomes]).toEqual(["refused", "taken"]);
});

/** Address; and what is said to it where control/validrcpt lists test.dom and .virt.dom. */
const mailboxes: readonly (readonly [string, string])[] = [
  ["joe@test.dom", "250"],
  ["JOE@Test.Dom", "250"],
  ["joe-list@test.dom", "250"],
  ["joe-any-thing@test.dom", "250"],
  ["joe-thing@test.dom", "550"],
  ["joe-folder@test.dom", "550"],
  ["ann@test.dom", "550"],
  ["postmaster@test.dom", "250"],
  ["ann@unlisted.dom", "250"],
  ["ann@far.test.dom", "250"],
  ["info@x.virt.dom", "250"],
  ["ann@x.virt.dom", "550"],
  ["gone-x@test.dom", "250"],
  ["shy-x@test.dom", "250"],
  ["ann", "250"],
  ["@test.dom", "250"],
];
test("control/validrcpt: addresses that lead nowhere are refused, those of which it is not known are not", async () => {
  using home = new Home();
  home.write("control/locals", "test.dom\nunlisted.dom\n");
  home.write("control/virtualdomains", ".virt.dom:virt\n");
  home.write("control/validrcpt", "test.dom\n.virt.dom\n");
  const ids = `${process.getuid?.()}:${process.getgid?.()}`;
  const user = (name: string): string => `${name}:${ids}:${home.in(name)}`;
  home.write(
    "users/assign",
    `=joe:${user("joe")}:::\n+joe-:${user("joe")}:-::\n+gone-:${user("gone")}:-::\n+shy-:${user("shy")}:-::\n` +
      `+virt-:${user("virt")}:-::\n+:${user("alias")}:-::\n.\n`,
  );
  expect(await run("qmail-newu", { env: home.env })).toMatchObject({ code: 0, stderr: "" });
  for (const file of ["joe/.qmail-list", "joe/.qmail-any-default", "alias/.qmail-postmaster"])
    home.write(file, "");
  home.write("virt/.qmail-info", "");
  mkdirSync(home.in("joe/.qmail-folder"));
  mkdirSync(home.in("shy"));
  chmodSync(home.in("shy"), 0o1755);
  const said = await home.say(
    `MAIL FROM:<>\r\n${mailboxes.map(([address]) => `RCPT TO:<${address}>\r\n`).join("")}`,
  );
  const replies = said.stdout.split("\r\n").slice(2, -1);
  expect(mailboxes.map(([address], index) => [address, replies[index]?.slice(0, 3)])).toEqual(
    mailboxes.map((row) => [...row]),
  );
  expect(replies).toContain("550 sorry, no mailbox here by that name (#5.1.1)");
  home.write("users/cdb", "damaged");
  expect((await home.say("MAIL FROM:<>\r\nRCPT TO:<ann@test.dom>\r\n")).stdout).toEndWith(
    "250 ok\r\n250 ok\r\n",
  );
});

test("control/validrcpt without users/cdb asks bin/qmail-getpw, whichever that is", async () => {
  using home = new Home();
  home.write("control/validrcpt", "mx\n");
  const record = `u\\0001\\0001\\000${home.path}\\000-\\000%s\\000`;
  const getpw = `#!/bin/sh\n[ "$1" = broken ] && exit 118\nprintf '${record}' "$1"\n`;
  home.write("bin/qmail-getpw", getpw, 0o755);
  home.write(".qmail-known", "");
  const { stdout } = await home.say(
    "MAIL FROM:<>\r\nRCPT TO:<known@mx>\r\nRCPT TO:<ann@mx>\r\nRCPT TO:<broken@mx>\r\n",
  );
  expect(stdout.split("\r\n").map((line) => line.slice(0, 3))).toEqual([
    "220",
    "250",
    "250",
    "550",
    "250",
    "",
  ]);
  rmSync(home.in("bin/qmail-getpw"));
  expect((await home.say("MAIL FROM:<>\r\nRCPT TO:<ann@mx>\r\n")).stdout).toEndWith("250 ok\r\n250 ok\r\n");
});
