/** qmail-qread and qmail-qstat on queues that are not as they should be. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { run } from "../helpers/built.ts";
import { isRoot, nobody, QueueHome } from "../helpers/queue-home.ts";

class Home extends QueueHome {
  /** A message with a sender and a local recipient. */
  add(id: number, sender: string, recipient = "joe", parts = 23): this {
    this.write(`queue/mess/${id % parts}/${id}`, "message");
    utimesSync(this.write(`queue/info/${id % parts}/${id}`, `F${sender}\0`), 1e9, 1e9);
    this.write(`queue/local/${id % parts}/${id}`, `T${recipient}\0`);
    return this;
  }
  qread(uid?: number) {
    return run("qmail-qread", { env: { QMAILHOME: this.path }, ...(uid === undefined ? {} : { uid }) });
  }
  qstat() {
    return run("qmail-qstat", { env: { QMAILHOME: this.path } });
  }
}

const stats = (id: number, sender: string): string => `9 Sep 2001 01:46:40 GMT  #${id}  7  <${sender}> \n`;
const counts = (messages: number, unprocessed: number): string =>
  `messages in queue: ${messages}\nmessages in queue but not yet preprocessed: ${unprocessed}\n`;

test("a queue split otherwise", async () => {
  using home = new Home();
  for (const name of ["mess", "info", "local", "remote"])
    for (let part = 5; part < 23; part++) rmSync(home.in("queue", name, String(part)), { recursive: true });
  home.add(29, "a@b", "joe", 5);
  expect((await home.qread()).stdout).toBe(`${stats(29, "a@b")}\tlocal\tjoe\n`);
  expect((await home.qstat()).stdout).toBe(counts(1, 0));
});

test("a message that vanishes, names that are no numbers, bytes that are no text", async () => {
  using home = new Home();
  home.add(5, "a\xe9\n\x1b[2J", "\x07\xff").add(6, "gone");
  rmSync(home.in("queue/mess/6/6"));
  for (const name of ["-1", "7x", " 8", "0x9"]) home.write(`queue/info/5/${name}`, "Fx\0");
  const { stdout, code } = await home.qread();
  expect(code).toBe(0);
  expect(stdout).toBe(`${stats(5, "a____[2J")}\tlocal\t___\nwarning: trouble with #6: file does not exist\n`);
});

test("an empty info, recipients that can not be read", async () => {
  using home = new Home();
  home.add(5, "x");
  utimesSync(home.write("queue/info/5/5", ""), 1e9, 1e9);
  rmSync(home.in("queue/local/5/5"));
  symlinkSync("5", home.in("queue/local/5/5"));
  const { stdout } = await home.qread();
  expect(stdout).toBe(`${stats(5, "")}warning: trouble with #5: symbolic link loop\n`);
});

test("no queue, no folders: 111, and the reason", async () => {
  using home = new Home();
  rmSync(home.in("queue/info"), { recursive: true });
  const stdout = "fatal: unable to opendir info/0: file does not exist\n";
  expect(await home.qread()).toMatchObject({ code: 111, stdout, stderr: "" });
  rmSync(home.in("queue"), { recursive: true });
  const gone = "fatal: unable to chdir: file does not exist\n";
  expect(await home.qread()).toMatchObject({ code: 111, stdout: gone, stderr: "" });
});

test("whom the queue is closed to: 111", async () => {
  using home = new Home();
  chmodSync(home.in("queue"), isRoot ? 0o700 : 0o000);
  const stdout = "fatal: unable to chdir: access denied\n";
  expect(await home.qread(isRoot ? nobody : undefined)).toMatchObject({ code: 111, stdout });
  chmodSync(home.in("queue"), 0o700);
});

test("qstat counts regular files, and says what it could not read", async () => {
  using home = new Home();
  home.add(5, "a").add(6, "b");
  home.write("queue/todo/6", "x");
  symlinkSync("6", home.in("queue/todo/7"));
  mkdirSync(home.in("queue/todo/8"));
  expect(await home.qstat()).toMatchObject({ code: 0, stdout: counts(2, 1), stderr: "" });
  renameSync(home.in("queue/todo"), home.in("queue/elsewhere"));
  const stderr = `qmail-qstat: warning: unable to read ${home.path}/queue/todo: file does not exist\n`;
  expect(await home.qstat()).toMatchObject({ code: 0, stdout: counts(2, 0), stderr });
});
