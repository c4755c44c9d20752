/** The small programs for .qmail lines under bad conditions; what they do under good ones is in test/conformance. */
import { expect, test } from "bun:test";
import { bin, run, Scratch } from "../helpers/built.ts";

const lines = { UFLINE: "From s@t Thu\n", RPLINE: "Return-Path: <s@t>\n", DTLINE: "Delivered-To: joe@h\n" };
const senders = { SENDER: "s@t", NEWSENDER: "n@t" };
const message = Buffer.from("Subject: x\n\nbody\n");
const big = Buffer.alloc(1_000_000, "x\n");

/** program; arguments; exit code; descriptor 2. */
const rows: readonly (readonly [string, string, string[], number, string])[] = [
  [
    "not executable",
    "preline",
    ["/etc/passwd"],
    100,
    "preline: fatal: unable to run /etc/passwd: access denied\n",
  ],
  [
    "not in PATH",
    "preline",
    ["no-such-program"],
    100,
    "preline: fatal: unable to run no-such-program: file does not exist\n",
  ],
  [
    "unknown option",
    "preline",
    ["-x", "cat"],
    100,
    "preline: illegal option -- x\npreline: usage: preline cmd [ arg ... ]\n",
  ],
  ["not executable", "except", ["/etc/passwd"], 0, ""],
  ["killed", "except", ["sh", "-c", "kill -15 $$"], 111, "except: fatal: child crashed\n"],
  ["no program", "except", [], 100, "except: usage: except program [ arg ... ]\n"],
  ["not there", "bouncesaying", ["no", "/nonexistent"], 0, ""],
  ["8-bit text", "bouncesaying", ["é"], 100, Buffer.from("é\n").toString("latin1")],
];
for (const [name, program, args, code, stderr] of rows) {
  test(`${program}: ${name}`, async () => {
    expect(await run(program, { args, env: lines, stdin: message })).toMatchObject({
      code,
      stdout: "",
      stderr,
    });
  });
}

for (const program of ["preline", "except", "condredirect"]) {
  test(`${program} runs a script without #! as execvp does`, async () => {
    using scratch = new Scratch();
    const script = scratch.write("script", "cat >/dev/null; exit 3\n", 0o755);
    const args = program === "condredirect" ? ["a@b", script] : [script];
    const { code } = await run(program, { args, env: { ...lines, ...senders }, stdin: message });
    expect(code).toBe(program === "preline" ? 3 : 0);
  });
}

test("preline passes a large message on whole", async () => {
  const { code, stdout } = await run("preline", { args: ["-fr", "cat"], env: lines, stdin: big });
  expect(code).toBe(0);
  expect(stdout === lines.DTLINE + big.toString("latin1")).toBe(true);
});

test("preline: a program that does not read a large message", async () => {
  const result = await run("preline", { args: ["true"], env: lines, stdin: big });
  const stderr = "preline: fatal: unable to copy input: broken pipe\n";
  expect(result).toMatchObject({ code: 111, stderr });
});

test("preline: a program that does not read a small message decides itself", async () => {
  expect(await run("preline", { args: ["sh", "-c", "exit 7"], env: lines, stdin: message })).toMatchObject({
    code: 7,
    stderr: "",
  });
});

test("preline gives bytes to its program that are not UTF-8", async () => {
  using scratch = new Scratch();
  const script = `#!/bin/sh\nUFLINE=$(printf 'From \\351@t\\n.'); UFLINE=\${UFLINE%.}; export UFLINE\nexec preline -rd cat\n`;
  const wrapper = scratch.write("wrapper", script, 0o755);
  const { stdout } = await run("preline", { args: ["-frd", wrapper], env: lines, stdin: message });
  expect(stdout).toBe(`From \xe9@t\n${message}`);
});

test("condredirect needs a file to read twice", async () => {
  const command = `printf '\\n' | ${bin}/condredirect a@b true`;
  const child = Bun.spawnSync(["/bin/sh", "-c", command], { env: { ...lines, ...senders }, stderr: "pipe" });
  expect(child.stderr.toString()).toBe("condredirect: fatal: unable to rewind: unseekable descriptor\n");
  expect(child.exitCode).toBe(111);
});

test("forward: a message that can not be read is not sent", async () => {
  using scratch = new Scratch();
  const env = { ...lines, ...senders, QMAILQUEUE: scratch.queueProgram(), QMAILHOME: scratch.path };
  const result = await run("forward", { args: ["a@b"], env, stdin: { file: scratch.path } });
  const stderr = "forward: fatal: unable to read message: is a directory\n";
  expect(result).toMatchObject({ code: 111, stderr });
  expect(scratch.read("queued-envelope")).toBe("");
});

test("forward: a variable that is not set", async () => {
  const { code, stderr } = await run("forward", { args: ["a@b"], env: { DTLINE: "x" } });
  expect([code, stderr]).toEqual([100, "forward: fatal: NEWSENDER not set\n"]);
});

test("forward: no queue program is temporary", async () => {
  using scratch = new Scratch();
  const env = { ...lines, ...senders, QMAILQUEUE: scratch.in("none"), QMAILHOME: scratch.path };
  const { code, stderr } = await run("forward", { args: ["a@b"], env, stdin: big });
  expect([code, stderr]).toEqual([111, "forward: fatal: unable to exec qq (#4.3.0)\n"]);
});

/** The header; whether a receipt is sent; exit code. */
const requests: readonly (readonly [string, boolean, number])[] = [
  ["Notice-Requested-Upon-Delivery-To: joe@h", true, 0],
  ["Notice-Requested-Upon-Delivery-To : (Joe)\n ann@h, Joe <joe@h>\nFrom: x", true, 0],
  ["Notice-Requested-Upon-Delivery-To: joe@h.example", false, 0],
  ["Notice-Requested-Upon-Delivery-To: joe@h>", false, 100],
  ["X: y", false, 0],
];
for (const [request, sent, code] of requests) {
  test(`qreceipt: ${JSON.stringify(request)}`, async () => {
    using scratch = new Scratch();
    const env = { ...senders, QMAILQUEUE: scratch.queueProgram(), QMAILHOME: scratch.path };
    const stdin = Buffer.concat([Buffer.from(`${request}\n\n`), big]);
    expect(await run("qreceipt", { args: ["joe@h"], env, stdin })).toMatchObject({ code, stdout: "" });
    const envelope = await Bun.file(scratch.in("queued-envelope")).exists();
    expect(envelope && scratch.read("queued-envelope")).toBe(sent && "F\0Ts@t\0\0");
  });
}

test("qreceipt: a message that can not be read", async () => {
  using scratch = new Scratch();
  const result = await run("qreceipt", { args: ["joe@h"], env: senders, stdin: { file: scratch.path } });
  expect(result).toMatchObject({ code: 111, stderr: "qreceipt: fatal: read error\n" });
});
