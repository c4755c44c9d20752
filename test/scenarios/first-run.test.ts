/** One private home, every way a local address can lead: from qmail-inject to where the message lands. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Home, makeHome, type Running, startHome, until } from "./home.ts";

setDefaultTimeout(900_000);

let home: Home;
let system: Running;

beforeAll(async () => {
  home = await makeHome({ users: ["ann", "bob.x"] });
  system = await startHome(home);
});
afterAll(async () => {
  await system?.stop();
  home?.dispose();
});

let count = 0;

/** Sends a message with a subject of its own; returns the subject. */
async function send(to: string, sender = `postmaster@${home.host}`): Promise<string> {
  const subject = `message ${++count}.`;
  const { code, stderr } = await home.inject(`Subject: ${subject}\n\nbody\n`, [`-f${sender}`, to]);
  expect([code, stderr]).toEqual([0, ""]);
  return subject;
}

const has = (user: string, subject: string): boolean =>
  home.messages(user).some((message) => message.includes(`Subject: ${subject}\n`));

/** The local parts and hosts that reach a mailbox, and whose it is; "" is the owner. */
const ways: readonly (readonly [to: string, user: string])[] = [
  ["OWNER", ""],
  ["ann", "ann"],
  ["ANN", "ann"],
  ["ann@mail.example", "ann"],
  ["bob.x", "bob.x"],
  ["postmaster", ""],
  ["mailer-daemon", ""],
  ["MAILER-DAEMON@mail.example", ""],
  ["root", ""],
  ["alias", ""],
];
for (const [to, user] of ways)
  test(`${to} reaches ${user || "the owner"}`, async () => {
    const subject = await send(to.replace("OWNER", home.owner));
    await until(`mail for ${to}`, () => has(user || home.owner, subject));
  });

test("the message that arrives has the fields of its delivery, in order", async () => {
  const subject = await send("ann", `joe@${home.host}`);
  await until("the message", () => has("ann", subject));
  const message = home.messages("ann").find((text) => text.includes(subject)) ?? "";
  expect(message).toMatch(
    /^Return-Path: <joe@mail\.example>\nDelivered-To: ann@mail\.example\nReceived: \(qmail \d+ invoked by uid \d+\); .* -0000\nDate: /,
  );
});

test("an address that nobody has bounces to the sender", async () => {
  await send("no.such.user", `ann@${home.host}`);
  const bounce = () => home.messages("ann").find((text) => text.includes("<no.such.user@mail.example>:"));
  await until("the bounce", () => bounce() !== undefined);
  expect(bounce()).toContain("Sorry, no mailbox here by that name. (#5.1.1)");
  expect(bounce()).toStartWith("Return-Path: <>\n");
});

test("an extension that nobody set up bounces; one with .qmail is delivered by it", async () => {
  const mail = home.at("mail/ann");
  writeFileSync(`${mail}/.qmail-box`, "./box\n");
  writeFileSync(`${mail}/.qmail-to-bob`, "&bob.x\n");
  writeFileSync(`${mail}/.qmail-lists-default`, "./lists/\n");
  for (const path of ["", "/tmp", "/new", "/cur"]) mkdirSync(`${mail}/lists${path}`);
  const boxed = await send("ann-box");
  const forwarded = await send("ann-to-bob");
  await send("ann-lists-any.thing");
  await send("ann-none", `ann@${home.host}`);
  await until(
    "the mbox",
    () => existsSync(`${mail}/box`) && readFileSync(`${mail}/box`, "latin1").includes(boxed),
  );
  await until("the forward", () => has("bob.x", forwarded));
  await until("the list", () => listed(mail));
  await until("the bounce", () =>
    home.messages("ann").some((text) => text.includes("<ann-none@mail.example>:")),
  );
});

const listed = (mail: string): boolean => [...new Bun.Glob("new/*").scanSync(`${mail}/lists`)].length === 1;

test("a program delivery runs as the owner, and not as root", async () => {
  const mark = home.at("mail/ann/ran");
  writeFileSync(home.at("mail/ann/.qmail-run"), `| echo "$LOCAL" > ${mark}\n`);
  await send("ann-run", `ann@${home.host}`);
  if (process.geteuid?.() === 0) {
    await system.logged(/deferral: .*root/i);
    expect(existsSync(mark)).toBe(false);
    rmSync(home.at("mail/ann/.qmail-run"));
  } else {
    await until("the program", () => existsSync(mark) && readFileSync(mark, "utf8") === "ann-run\n");
  }
});

test("two recipients in one message, one of them unknown: one delivery, one bounce", async () => {
  const { code } = await home.inject("Subject: to two\n\nbody\n", [
    `-fann@${home.host}`,
    "bob.x",
    "nobody.here",
  ]);
  expect(code).toBe(0);
  await until("the delivery", () => has("bob.x", "to two"));
  await until("the bounce", () =>
    home.messages("ann").some((text) => text.includes("<nobody.here@mail.example>:")),
  );
});

test("sendmail is a way in, too", async () => {
  const { code } = await home.run("sendmail", ["-t"], { stdin: "To: ann\nSubject: by sendmail\n\nbody\n" });
  expect(code).toBe(0);
  await until("the message", () => has("ann", "by sendmail"));
});

test("a second mail system in the same home says that the first is there", async () => {
  const second = Bun.spawn([home.at("rc")], { stdio: ["ignore", "pipe", "pipe"] });
  expect(await new Response(second.stdout).text()).toContain("already running");
  expect(await second.exited).toBe(111);
});

test("a user added while it runs has mail at once; one removed has no more", async () => {
  expect((await home.run("qmail", ["user", "add", "zoe"])).code).toBe(0);
  const subject = await send("zoe");
  await until("mail for zoe", () => has("zoe", subject));
  expect((await home.run("qmail", ["user", "remove", "zoe"])).code).toBe(0);
  await send("zoe", `ann@${home.host}`);
  await until("the bounce", () => home.messages("ann").some((text) => text.includes("<zoe@mail.example>:")));
});

test("in the end the queue is empty", async () => {
  chmodSync(home.at("mail/ann"), 0o700);
  system.signal("SIGALRM");
  await until("an empty queue", () => home.queued().length === 0);
});

test("TERM ends it cleanly", async () => {
  expect(await system.stop()).toBe(0);
  expect(system.log).toEndWith("status: exiting\n");
});
