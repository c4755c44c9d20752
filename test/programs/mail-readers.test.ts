/** elq, pinq, qail: the mail is moved, then the reader started; and maildirwatch's summaries. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, utimesSync } from "node:fs";
import { bin, run, Scratch } from "../helpers/built.ts";

const message =
  "Return-Path: <ann@x>\nDelivered-To: joe@y\nFrom: Ann\u0007 <ann@x>\nSubject: Lunch\n\nAt noon.\n";

/** A Maildir with one message that is not of this second. */
function home(): Scratch {
  const scratch = new Scratch();
  for (const folder of ["tmp", "new", "cur", "bin", "path"])
    mkdirSync(scratch.in("Maildir", folder), { recursive: true });
  utimesSync(scratch.write("Maildir/new/1.2.z", message), 1e9, 1e9);
  return scratch;
}

const variables = (scratch: Scratch) => ({
  QMAILHOME: `${bin}/..`,
  MAILDIR: scratch.in("Maildir"),
  MAIL: scratch.in("Mailbox"),
  MAILTMP: scratch.in("Mailbox.tmp"),
});

const readers = [
  ["elq", "elm"],
  ["pinq", "pine"],
  ["qail", "Mail"],
] as const;

for (const [program, reader] of readers) {
  test(`${program} moves the mail and becomes ${reader}`, async () => {
    using scratch = home();
    scratch.write(`readers/${reader}`, '#!/bin/sh\necho "$# $1 $2"; cat "$MAIL"; exit 7\n', 0o755);
    const env = { ...variables(scratch), PATH: `${scratch.in("readers")}:/usr/bin:/bin` };
    const { code, stdout, stderr } = await run(program, { args: ["-f", "a b"], env });
    expect(stderr).toBe("");
    expect(code).toBe(7);
    expect(stdout).toStartWith("2 -f a b\nFrom ann@x ");
    expect(readdirSync(scratch.in("Maildir/new"))).toEqual([]);
  });

  test(`${program} starts no reader if the mail cannot be moved`, async () => {
    using scratch = home();
    scratch.write(`readers/${reader}`, "#!/bin/sh\necho started\n", 0o755);
    const env = { ...variables(scratch), MAIL: scratch.in("no/Mailbox"), PATH: scratch.in("readers") };
    const { code, stdout, stderr } = await run(program, { env });
    expect(stdout).toBe("");
    expect(code).toBe(111);
    expect(stderr).toStartWith("maildir2mbox: fatal: unable to lock ");
    expect(readdirSync(scratch.in("Maildir/new"))).toEqual(["1.2.z"]);
  });

  test(`${program} says that there is no ${reader}`, async () => {
    using scratch = home();
    const { code, stderr } = await run(program, { env: { ...variables(scratch), PATH: "/nowhere" } });
    expect(code).toBe(111);
    expect(stderr).toBe(`${program}: fatal: unable to run ${reader}: file does not exist\n`);
  });
}

/** What maildirwatch shows before its first pause. */
async function watch(maildir: string): Promise<string> {
  const child = Bun.spawn([`${bin}/maildirwatch`], { env: { MAILDIR: maildir }, stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  child.kill();
  await child.exited;
  return Buffer.from(value ?? []).toString("latin1");
}

test("maildirwatch shows sender, recipient, From, subject and text", async () => {
  using scratch = home();
  expect(await watch(scratch.in("Maildir"))).toBe(
    "\u001b[;H\u001b[;JFROM <ann@x> TO <joe@y>\n\u001b[1mFrom: Ann/ <ann@x>\u001b[0m\nLunch//At noon./\n\n",
  );
});

test("maildirwatch shows no more than two lines of text, and what it does not know as ?", async () => {
  using scratch = home();
  utimesSync(scratch.write("Maildir/new/1.2.z", `\n${"x".repeat(200_000)}`), 1e9, 1e9);
  expect(await watch(scratch.in("Maildir"))).toBe(`\u001b[;H\u001b[;JFROM ? TO <?>\n/${"x".repeat(157)}\n\n`);
});

const troubles = [
  [{}, "MAILDIR not set"],
  [{ MAILDIR: "/nowhere" }, "unable to chdir to /nowhere: file does not exist"],
  [{ MAILDIR: "/" }, "unable to scan $MAILDIR/new: file does not exist"],
] as const;

for (const [env, why] of troubles)
  test(`maildirwatch: ${why}`, async () => {
    const { code, stderr } = await run("maildirwatch", { env });
    expect(code).toBe(111);
    expect(stderr).toBe(`maildirwatch: fatal: ${why}\n`);
  });
