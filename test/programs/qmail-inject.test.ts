/** qmail-inject under bad conditions; what it does under good ones is in test/conformance. */
import { expect, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { bin, type Run, run, Scratch } from "../helpers/built.ts";
import { layOutQueue } from "../helpers/layout.ts";

/** A home with control/me, and a queue program that keeps what it gets. */
class Home extends Scratch {
  constructor() {
    super();
    this.write("home/control/me", "h.example\n");
    this.queueProgram();
  }
  get environment(): Record<string, string> {
    return { QMAILHOME: this.in("home"), QMAILQUEUE: this.in("queue-program"), USER: "joe" };
  }
  inject(how: Run): ReturnType<typeof run> {
    return run("qmail-inject", { ...how, env: { ...this.environment, ...how.env } });
  }
  /** Sends a message; returns it without the fields that tell the time, and the envelope. */
  async sent(message: string | Uint8Array, args: string[] = [], env = {}): Promise<[string, string]> {
    const stdin = typeof message === "string" ? Buffer.from(message, "latin1") : message;
    expect(await this.inject({ stdin, args, env })).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const queued = this.read("queued-message").replace(/^Date: .*\nMessage-ID: .*\n/, "");
    return [queued, this.read("queued-envelope")];
  }
}

/** Message; what it becomes behind Date and Message-ID. All have Cc, so that no line is added. */
const bodies: readonly (readonly [string, string, string])[] = [
  ["no line feed at the end", "Cc: a@b.c\n\nbody", "Cc: a@b.c\n\nbody\n"],
  ["no body", "Cc: a@b.c", "Cc: a@b.c\n"],
  ["no line feed behind a line that is no field", "Cc: a@b.c\nbody", "Cc: a@b.c\n\nbody\n"],
  ["NUL bytes in the body", "Cc: a@b.c\n\na\0b\0", "Cc: a@b.c\n\na\0b\0\n"],
  ["NUL bytes in a header field", "Cc: a@b.c\nX: \0\n\n", "Cc: a@b.c\nX: \0\n\n"],
  ["8-bit bytes", "Cc: a@b.c\nX: \xe9\xff\n\n\xe9", "Cc: a@b.c\nX: \xe9\xff\n\n\xe9\n"],
];
for (const [about, message, expected] of bodies) {
  test(about, async () => {
    using home = new Home();
    const [queued, envelope] = await home.sent(`From: x@y.z\n${message}`);
    expect(queued).toBe(`From: x@y.z\n${expected}`);
    expect(envelope).toBe("Fjoe@h.example\0Ta@b.c\0\0");
  });
}

test("an address ends at a NUL byte in the envelope", async () => {
  using home = new Home();
  const [, envelope] = await home.sent("Cc: ann\0x@h.d, bob\n\n");
  expect(envelope).toBe("Fjoe@h.example\0Tbob@h.example\0Tann\0\0");
});

test("a header line of a megabyte", async () => {
  using home = new Home();
  const long = `X: ${"x".repeat(1_000_000)}\n`;
  const [queued] = await home.sent(`From: x@y.z\nCc: a@b.c (${"y".repeat(1_000_000)})\n${long}\n`);
  expect(queued).toBe(`From: x@y.z\nCc: a@b.c (${"y".repeat(1_000_000)})\n${long}\n`);
});

test("100,000 recipients", async () => {
  using home = new Home();
  const users = Array.from({ length: 100_000 }, (_, number) => `u${number}@b.c`);
  const [queued, envelope] = await home.sent(`To: ${users.join(",")}\n\n`);
  const recipients = envelope.split("\0");
  expect(recipients).toEqual(["Fjoe@h.example", ...users.toReversed().map((user) => `T${user}`), "", ""]);
  expect(Math.max(...queued.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
});

test("a large message in constant memory", async () => {
  using home = new Home();
  const size = 256 * 1024 * 1024;
  const message = home.write("message", "To: a@b.c\n\n");
  truncateSync(message, size);
  home.write("queue-program", `#!/bin/sh\nwc -c >'${home.in("size")}'\ncat <&1 >/dev/null\n`, 0o755);
  const { code, memory } = await home.inject({ stdin: { file: message } });
  expect(code).toBe(0);
  expect(Number(home.read("size"))).toBeGreaterThan(size);
  expect(memory).toBeLessThan(100_000_000);
});

test("nothing is queued for a message with a broken header, and no queue program runs", async () => {
  using home = new Home();
  home.write("queue-program", `#!/bin/sh\n: >'${home.in("ran")}'\n`, 0o755);
  const result = await home.inject({ stdin: Buffer.from("From: (\n\nbody\n") });
  expect(result).toMatchObject({
    code: 100,
    stderr: "qmail-inject: fatal: unable to parse this line:\nFrom: (\n",
  });
  expect(() => readFileSync(home.in("ran"))).toThrow();
});

test("with the usual queue program, a broken header leaves nothing in the queue, and a good one a message", async () => {
  using home = new Home();
  layOutQueue(home.in("home/queue"), false);
  symlinkSync(bin, home.in("home/bin"));
  const { QMAILQUEUE: _, ...env } = home.environment;
  const files = () =>
    readdirSync(home.in("home/queue"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("/lock"))
      .map((entry) => entry.parentPath.replace(/.*\/queue\/(\w+).*/, "$1"));
  const broken = await run("qmail-inject", { env, stdin: Buffer.from("From: (\n\nbody\n") });
  expect(broken).toMatchObject({
    code: 100,
    stderr: "qmail-inject: fatal: unable to parse this line:\nFrom: (\n",
  });
  expect(files()).toEqual([]);
  const wrong = await run("qmail-inject", { env, args: ["-z"], stdin: Buffer.from("\n") });
  expect(wrong).toMatchObject({ code: 100, stderr: "qmail-inject: illegal option -- z\n" });
  expect(files()).toEqual([]);
  expect((await run("qmail-inject", { env, stdin: Buffer.from("To: a\n\n") })).code).toBe(0);
  expect(files().sort()).toEqual(["intd", "mess", "todo"]);
});

const readError = "qmail-inject: fatal: read error\n";

for (const name of ["me", "defaultdomain", "defaulthost", "plusdomain", "idhost"]) {
  test(`control/${name} cannot be read`, async () => {
    using home = new Home();
    const control = home.in("home/control");
    rmSync(`${control}/${name}`, { force: true });
    mkdirSync(`${control}/${name}`);
    const environment = { [`QMAIL${name.toUpperCase()}`]: "x.y" };
    expect(await home.inject({ env: environment })).toMatchObject({ code: 111, stderr: readError });
  });
}

test("the list of mailing lists cannot be read; is not there", async () => {
  using home = new Home();
  const stdin = Buffer.from("To: a@b.c\n\n");
  expect(await home.inject({ stdin, env: { QMAILMFTFILE: home.path } })).toMatchObject({
    code: 111,
    stderr: readError,
  });
  for (const path of [home.in("absent"), ""])
    expect((await home.inject({ stdin, env: { QMAILMFTFILE: path } })).code).toBe(0);
});

test("descriptor 0 cannot be read", async () => {
  using home = new Home();
  expect(await home.inject({ stdin: { file: home.path } })).toMatchObject({ code: 111, stderr: readError });
});

test("no home", async () => {
  using home = new Home();
  expect(await home.inject({ env: { QMAILHOME: home.in("absent") } })).toMatchObject({
    code: 111,
    stderr: "qmail-inject: fatal: internal bug\n",
  });
});

test("no queue program; one that reads nothing; one that is killed", async () => {
  using home = new Home();
  const stdin = Buffer.concat([Buffer.from("To: a@b.c\n\n"), Buffer.alloc(1_000_000, "x\n")]);
  const outcome = async (program: string) => {
    home.write("queue-program", program, 0o755);
    const { code, stderr } = await home.inject({ stdin });
    return [code, stderr];
  };
  expect(await outcome("#!/nonexistent\n")).toEqual([
    111,
    "qmail-inject: fatal: unable to exec qq (#4.3.0)\n",
  ]);
  expect(await outcome("#!/bin/sh\nexit 31\n")).toEqual([
    100,
    "qmail-inject: fatal: mail server permanently rejected message (#5.3.0)\n",
  ]);
  expect(await outcome("#!/bin/sh\nexit 0\n")).toEqual([
    111,
    "qmail-inject: fatal: qq read error (#4.3.0)\n",
  ]);
  expect(await outcome("#!/bin/sh\nkill -9 $$\n")).toEqual([
    111,
    "qmail-inject: fatal: qq crashed (#4.3.0)\n",
  ]);
});

test("a full disk behind -n is an error; a reader that has seen enough is none", async () => {
  using home = new Home();
  writeFileSync(
    home.in("message"),
    Buffer.concat([Buffer.from("To: a\n\n"), Buffer.alloc(1_000_000, "x\n")]),
  );
  const shell = (script: string) =>
    Bun.spawnSync(["/bin/sh", "-c", script], {
      env: { ...home.environment, P: `${bin}/qmail-inject`, M: home.in("message") },
      stderr: "pipe",
    });
  const full = shell("$P -n <$M >/dev/full");
  expect([full.exitCode, full.stderr.toString()]).toEqual([
    111,
    "qmail-inject: fatal: unable to print message: out of disk space\n",
  ]);
  const enough = shell("{ $P -n <$M; echo $? >&2; } | true");
  expect(enough.stderr.toString()).toBe("0\n");
});
