/** sendmail, predate, datemail and mailsubj under bad conditions; under good ones: test/conformance. */
import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { bin, run, Scratch } from "../helpers/built.ts";

/** A home whose bin has the built programs. */
function home(): Scratch {
  const scratch = new Scratch();
  scratch.write("home/control/me", "h.example\n");
  symlinkSync(bin, scratch.in("home/bin"));
  scratch.queueProgram();
  return scratch;
}

/** A home whose bin has only what is named, under its name. */
function homeWith(programs: Readonly<Record<string, string>>): Scratch {
  const scratch = new Scratch();
  mkdirSync(scratch.in("home/bin"), { recursive: true });
  for (const [name, script] of Object.entries(programs)) scratch.write(`home/bin/${name}`, script, 0o755);
  return scratch;
}

const environment = (scratch: Scratch) => ({
  QMAILHOME: scratch.in("home"),
  QMAILQUEUE: scratch.in("queue-program"),
  USER: "joe",
});

const show = '#!/bin/sh\nfor x; do echo "<$x>"; done; echo $QMAILUSER,$QMAILHOST,$MAILNAME,$NAME; cat\n';

test("sendmail runs whatever bin/qmail-inject is, with its arguments", async () => {
  using scratch = homeWith({ "qmail-inject": show });
  const env = { ...environment(scratch), NAME: "N" };
  const args = ["-t", "-F", "J D", "-fs@t@u", "--", "", "a b", "-x"];
  const { code, stdout } = await run("sendmail", { args, env, stdin: Buffer.from("body\n") });
  expect(code).toBe(0);
  expect(stdout).toBe("<-H>\n<-f>\n<s@t@u>\n<-->\n<>\n<a b>\n<-x>\ns@t,u,,\nbody\n");
});

test("sendmail hands on arguments that are not UTF-8", () => {
  using scratch = homeWith({ "qmail-inject": show });
  const script = `exec ${bin}/sendmail "-f$(printf 'caf\\351@x')" "$(printf '\\377\\n.')"`;
  const child = Bun.spawnSync(["/bin/sh", "-c", script], { env: environment(scratch) });
  expect(child.stdout.toString("latin1")).toBe("<-a>\n<-f>\n<caf\xe9@x>\n<-->\n<\xff\n.>\ncaf\xe9,x,,\n");
});

test("sendmail becomes qmail-inject, 8-bit sender or not", async () => {
  using scratch = home();
  for (const sender of ["joe", "jo\u00e9", "jo\ufffd"]) {
    const stdin = Buffer.from("To: a@b.c\n\n");
    expect(
      await run("sendmail", { args: ["-t", "-f", sender], env: environment(scratch), stdin }),
    ).toMatchObject({
      code: 0,
      stderr: "",
    });
    const bytes = Buffer.from(sender).toString("latin1");
    expect(scratch.read("queued-envelope")).toBe(`F${bytes}@h.example\0Ta@b.c\0\0`);
    const quoted = bytes === "joe" ? "joe" : `"${bytes}"`;
    expect(scratch.read("queued-message")).toContain(`\nFrom: ${quoted}@h.example\n`);
  }
});

test("a program under its own name runs by it, whatever argument 0 is", () => {
  using scratch = home();
  const child = Bun.spawnSync([`${bin}/sendmail`, "-Z"], {
    argv0: "-odd",
    env: environment(scratch),
    stderr: "pipe",
  });
  expect(child.stderr.toString()).toStartWith("-odd: illegal option -- Z\nsendmail: usage:");
});

/** Program; arguments; exit code; descriptor 2. bin is empty. */
const missing: readonly (readonly [string, string[], number, string])[] = [
  ["sendmail", ["joe"], 111, "sendmail: fatal: unable to run qmail-inject\n"],
  ["sendmail", ["-bs"], 111, "sendmail: fatal: unable to run qmail-smtpd\n"],
  ["sendmail", ["-bp"], 111, "sendmail: fatal: unable to run qmail-qread\n"],
  ["datemail", ["joe"], 111, "datemail: fatal: unable to run predate: file does not exist\n"],
  ["mailsubj", ["s", "joe"], 111, "mailsubj: fatal: unable to run qmail-inject: file does not exist\n"],
  ["mailsubj", [], 100, "mailsubj: usage: mailsubj subject [ recip ... ]\n"],
  ["predate", ["/nonexistent"], 111, "predate: fatal: unable to run /nonexistent: file does not exist\n"],
  ["predate", ["/etc/passwd"], 111, "predate: fatal: unable to run /etc/passwd: access denied\n"],
  ["predate", ["sh", "-c", "kill -9 $$"], 111, "predate: fatal: child crashed\n"],
];
for (const [program, args, code, stderr] of missing) {
  test(`${program} ${args.join(" ")} without the other programs`, async () => {
    using scratch = homeWith({});
    expect(await run(program, { args, env: environment(scratch) })).toMatchObject({
      code,
      stderr,
      stdout: "",
    });
  });
}

test("sendmail without a home", async () => {
  using scratch = new Scratch();
  expect(await run("sendmail", { env: environment(scratch) })).toMatchObject({
    code: 111,
    stderr: "sendmail: fatal: unable to switch to qmail home directory\n",
  });
});

test("predate runs a script without #!", async () => {
  using scratch = new Scratch();
  const script = scratch.write("script", "read x; cat; exit 7\n", 0o755);
  expect(await run("predate", { args: [script], stdin: Buffer.from("m\n") })).toMatchObject({
    code: 7,
    stdout: "m\n",
  });
});

test("predate does not mind a child that reads nothing", async () => {
  const stdin = Buffer.alloc(1_000_000, "x\n");
  expect(await run("predate", { args: ["true"], stdin })).toMatchObject({ code: 0, stderr: "" });
});

test("predate and mailsubj let nobody take half a message for the whole", async () => {
  using scratch = homeWith({ "qmail-inject": `#!/bin/sh\ncat >/dev/null; : >"$QMAILQUEUE"\n` });
  const env = environment(scratch);
  const stdin = { file: scratch.path };
  const child = ["sh", "-c", `cat >/dev/null; : >"$QMAILQUEUE"`];
  expect(await run("predate", { args: child, env, stdin })).toMatchObject({
    code: 111,
    stderr: "predate: fatal: unable to copy input: is a directory\n",
  });
  expect(await run("mailsubj", { args: ["s", "a"], env, stdin })).toMatchObject({
    code: 111,
    stderr: "mailsubj: fatal: unable to copy input: is a directory\n",
  });
  expect(() => scratch.read("queue-program")).toThrow();
});

test("mailsubj takes backslashes and dashes as they are", async () => {
  using scratch = home();
  const args = ["-n \\t\\c", "a@b.c"];
  expect((await run("mailsubj", { args, env: environment(scratch), stdin: Buffer.from("body") })).code).toBe(
    0,
  );
  expect(scratch.read("queued-message")).toEndWith("\nSubject: -n \\t\\c\nTo: a@b.c\n\nbody\n");
});

test("datemail finds its programs in the home", async () => {
  using scratch = homeWith({});
  copyFileSync(`${bin}/predate`, scratch.in("home/bin/predate"));
  scratch.write("home/bin/sendmail", show, 0o755);
  const { code, stdout } = await run("datemail", {
    args: ["a", "b c"],
    env: { ...environment(scratch), TZ: "XXX-5:30" },
    stdin: Buffer.from("m\n"),
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^<a>\n<b c>\n,,,\nDate: \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0530\nm\n$/);
});
