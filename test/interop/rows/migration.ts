/** Taking over from others: the tree that another qmail left, and the tables of a Postfix. */
import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programs } from "../../helpers/home.ts";
import { mountEmpty } from "../../helpers/namespace.ts";
import { SmtpHost } from "../../helpers/smtp-host.ts";
import { until } from "../../scenarios/home.ts";
import type { Group } from "./row.ts";
import { has, qmail, type World } from "./world.ts";

const sample = (...names: string[]): string => join(import.meta.dir, "../../sample", ...names);

/** The home and the people as notqmail left them: test/sample/notqmail/record.sh. */
async function unpackTree(world: World): Promise<void> {
  for (const name of ["control", "alias", "users", "queue"]) rmSync(`${qmail}/${name}`, { recursive: true });
  mountEmpty("/mnt");
  mkdirSync("/mnt/home");
  for (const who of ["ann", "joe"]) {
    rmSync(world.at(who), { recursive: true });
    symlinkSync(world.at(who), `/mnt/home/${who}`);
  }
  const tree = sample("notqmail/tree.tar.gz");
  await world.must("root", ["tar", "-xzpf", tree, "-C", "/", "--numeric-owner", "var/qmail"]);
  const people = ["-C", world.work, "--strip-components=2", "--numeric-owner", "mnt/home"];
  await world.must("root", ["tar", "-xzpf", tree, ...people]);
}

const subjectsIn = (text: string): string[] =>
  [...text.matchAll(/^Subject: (.*)$/gm)].map(([, subject = ""]) => subject).sort();

/** Every message that waited there, in whatever state, goes where notqmail would have sent it, once. */
async function adopt(world: World): Promise<string> {
  await unpackTree(world);
  await world.must("root", [`${programs}/qmail`, "setup", "--replace"]);
  const repaired = await world.must("root", [`${qmail}/bin/qmail`, "queue", "repair"]);
  // Their numbers were those of files on another disk.
  assert.equal(repaired.match(/: message \d+ becomes /g)?.length, 8, repaired);
  const relay = await SmtpHost.start();
  world.control("smtproutes", `:127.0.0.1:${relay.port}\n`);
  world.start();
  // What was deferred is due in some minutes.
  await until("the fresh messages", () => world.log.includes("end msg"));
  world.signal("SIGALRM");
  await world.settled();
  const texts = world.maildir("ann").map((path) => readFileSync(path, "latin1"));
  const annGot = texts.flatMap(subjectsIn).sort();
  const annIs = ["alias", "assigned", "bouncing", "delivered", "fresh", "fresh virtual", "partly", "virtual"];
  assert.deepEqual(annGot, annIs);
  for (const text of texts) has(text, /\n\n\xe4\n\.\nFrom here\n$/);
  const joeGot = subjectsIn(readFileSync(world.at("joe/Mailbox"), "latin1"));
  // The bounce has the message in it.
  const joeIs = ["alias", "assigned", "bouncing", "delivered", "failure notice", "partly"];
  assert.deepEqual(joeGot, joeIs);
  assert.equal(relay.lines.filter((line) => /^RCPT TO:<bob@far\.example>/i.test(line)).length, 2);
  // And what was configured there holds for new mail.
  await world.send("Subject: new\n\n", "anybody@example.com", "staff@mail.example.org");
  await world.settled();
  assert.equal(world.maildir("ann").length, annIs.length + 2);
  const server = await world.smtpd("127.0.0.1", 2530);
  const rules = "HELO client.example\nMAIL FROM:<>\nRCPT TO:<joe@more.example>\nQUIT\n";
  has(await world.smtp(rules, "127.0.0.1", 2530), /^250 ok\r?$/m);
  void server;
  return `8 messages in todo, local, remote and bounce; Maildir, mbox, aliases, users/cdb, morercpthosts.cdb`;
}

/** What Postfix finds in its tables, and to whom mail then goes here. */
const lookups: readonly (readonly [address: string, table: string, key: string, who: "joe" | "ann"])[] = [
  ["info@example.com", "virtual", "info@example.com", "joe"],
  ["whoever@example.com", "virtual", "@example.com", "ann"],
  ["boss@partner.example", "virtual", "boss@partner.example", "ann"],
  ["first.last@mail.example.org", "aliases", "first.last", "ann"],
  ["ann-chess@mail.example.org", "aliases", "ann-chess", "joe"],
];

async function tables(world: World): Promise<string> {
  cpSync(sample("postfix/etc"), "/etc", { recursive: true });
  writeFileSync("/etc/mailname", "mail.example.org\n");
  const tableOf = (name: string) => `hash:/etc/${name === "aliases" ? "" : "postfix/"}${name}`;
  for (const name of ["virtual", "aliases"])
    await world.as("root", [name === "aliases" ? "postalias" : "postmap", tableOf(name)]);
  const imported = await world.as("root", [
    `${qmail}/bin/qmail`,
    "import",
    "postfix",
    "--home",
    qmail,
    "--force",
  ]);
  // Some lines of the sample have no counterpart, which it says.
  assert.equal(imported.code, 1, imported.stdout + imported.stderr);
  has(imported.stdout, "not translated: ");
  world.start();
  for (const [address, name, key, who] of lookups) {
    assert.equal((await world.must("root", ["postmap", "-q", key, tableOf(name)])).trim(), who);
    await world.send(`Subject: ${address}\n\n`, address);
    has(await world.one(who), `\nSubject: ${address}\n`);
  }
  return `${lookups.length} addresses lead where postmap -q says`;
}

export const migration: readonly Group[] = [
  {
    name: "notqmail",
    open: async (world) => chmodSync(world.work, 0o755),
    rows: [
      {
        packages: ["notqmail"],
        version: "1.09",
        direction: "a recorded queue, Maildirs, aliases, users, control -> qmail setup, queue repair",
        needs: ["tar"],
        check: adopt,
      },
    ],
  },
  {
    name: "import",
    unpacked: "postfix",
    open: async (world) => chmodSync(world.work, 0o755),
    rows: [
      {
        packages: ["postfix"],
        direction: "aliases, virtual -> qmail import postfix",
        needs: ["postmap", "postalias"],
        check: tables,
      },
    ],
  },
];
