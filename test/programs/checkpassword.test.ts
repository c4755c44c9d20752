/** checkpassword: who is let in, as whom, and how the others are refused; with qmail-popup and qmail-pop3d, too. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, statSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pipe } from "../../src/core/sys/libc.ts";
import { bin } from "../helpers/built.ts";
import { PrivateHome } from "../helpers/home.ts";

let home: PrivateHome;
beforeAll(async () => {
  home = new PrivateHome("joe");
  home.run("qmail", "user", "add", "ann");
  expect(passwd("joe", "s\xc3\xa9cret word\n")).toMatchObject({ exitCode: 0 });
});
afterAll(() => home.remove());

function passwd(name: string, line: string) {
  return Bun.spawnSync([join(bin, "qmail"), "user", "passwd", name], {
    stdin: Buffer.from(line, "latin1"),
    env: home.environment,
  });
}

/** Gives bytes to checkpassword on descriptor 3. */
async function check(bytes: string, command = ["sh", "-c", 'echo "$USER $HOME"; pwd']) {
  const [read, write] = pipe();
  writeSync(write, Buffer.from(bytes, "latin1"));
  closeSync(write);
  const child = Bun.spawn([join(bin, "checkpassword"), ...command], {
    stdio: ["ignore", "pipe", "pipe", read],
    env: home.environment,
  });
  closeSync(read);
  const [stdout, stderr] = [await child.stdout.text(), await child.stderr.text()];
  return { code: await child.exited, stdout, stderr };
}

test("the right password lets in, to the user's home", async () => {
  const directory = join(home.path, "mail/joe");
  for (const name of ["joe", "JOE"])
    expect(await check(`${name}\0s\xc3\xa9cret word\0<stamp>\0`)).toEqual({
      code: 0,
      stdout: `joe ${directory}\n${directory}\n`,
      stderr: "",
    });
});

for (const [bytes, code] of [
  ["joe\0secret word\0\0", 1],
  ["joe\0\0\0", 1],
  ["ann\0s\xc3\xa9cret word\0\0", 1],
  ["nobody-at-all\0x\0\0", 1],
  ["root\0\0\0", 1],
  ["\0\0\0", 1],
  ["joe\0x", 2],
  ["joe", 2],
  ["", 2],
  [`joe\0${"x".repeat(600)}\0`, 1],
] as const) {
  test(`${JSON.stringify(bytes.slice(0, 40))} ends with ${code}, and runs nothing`, async () => {
    expect(await check(bytes)).toEqual({ code, stdout: "", stderr: "" });
  });
}

test("without a program or descriptor 3 it is misused", async () => {
  expect((await check("joe\0x\0", [])).code).toBe(2);
  const child = Bun.spawnSync([join(bin, "checkpassword"), "true"], { env: home.environment });
  expect(child.exitCode).toBe(2);
});

test("a program that cannot be run is trouble of our own", async () => {
  const { code, stderr } = await check("joe\0s\xc3\xa9cret word\0\0", ["/no/such"]);
  expect({ code, stderr }).toEqual({
    code: 111,
    stderr: "checkpassword: fatal: unable to run /no/such: file does not exist\n",
  });
});

test("only the owner can read the file; a user that goes takes the password along", () => {
  const file = join(home.path, "users/poppasswd");
  expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
  expect(passwd("ann", "x\n")).toMatchObject({ exitCode: 0 });
  home.run("qmail", "user", "remove", "ann");
  expect(Bun.spawnSync(["cut", "-d:", "-f1", file]).stdout.toString()).toBe("joe\n");
});

for (const [name, line, words] of [
  ["joe", "\n", "an empty password is not possible"],
  ["joe", "", "an empty password is not possible"],
  ["joe", `${"x".repeat(301)}\n`, "a password has at most 300 bytes"],
  ["joe", "a\0b\n", "a password is one line of text"],
  ["stranger", "x\n", "stranger has no mailbox in"],
] as const) {
  test(`qmail user passwd ${name} refuses ${JSON.stringify(line.slice(0, 20))}`, () => {
    const { exitCode, stderr } = passwd(name, line);
    expect(exitCode).toBe(100);
    expect(stderr.toString()).toStartWith(`qmail: fatal: ${words}`);
  });
}

test("a whole POP3 session, from the greeting to QUIT", async () => {
  const message = join(home.maildir, "new/m");
  writeFileSync(message, "Subject: x\n");
  utimesSync(message, 1e9, 1e9);
  const names = ["checkpassword", "qmail-pop3d"].map((name) => join(bin, name));
  const child = Bun.spawn([join(bin, "qmail-popup"), "host", ...names, "Maildir"], {
    stdio: [
      Buffer.from("USER joe\r\nPASS s\xc3\xa9cret word\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n", "latin1"),
      "pipe",
      "pipe",
    ],
    env: home.environment,
  });
  const [stdout, stderr] = [await child.stdout.text(), await child.stderr.text()];
  expect(stderr).toBe("");
  expect(stdout.split("\r\n").slice(1)).toEqual([
    "+OK ",
    "+OK ",
    "+OK ",
    "Subject: x",
    "",
    ".",
    "+OK ",
    "+OK ",
    "",
  ]);
  expect(statSync(message, { throwIfNoEntry: false })).toBeUndefined();
});
