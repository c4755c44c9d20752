/** Mail is read: Maildirs by others while mail is delivered to them, and by POP3. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { crowd } from "./crowd.ts";
import type { Group } from "./row.ts";
import { has, password, qmail, type World } from "./world.ts";

const to = "ann@test.example";
const body = "\xe4\xf6\xfc\n.\n..two\nFrom here\n\nend\n";
const letter = (subject: string) => `From: joe@test.example\nTo: ${to}\nSubject: ${subject}\n\n${body}`;
const subjects = ["one", "two", "three"];

/** Dovecot on the Maildirs of everybody, with the passwords of the system. */
const dovecotSettings = (work: string) => `base_dir = /run/dovecot
state_dir = /var/lib/dovecot
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
log_path = ${work}/dovecot.log
mail_location = maildir:~/Maildir
first_valid_uid = 1000
passdb {
  driver = shadow
}
userdb {
  driver = passwd
}
service imap-login {
  inet_listener imap {
    port = 1143
  }
  chroot =
}
service pop3-login {
  inet_listener pop3 {
    port = 1110
  }
  chroot =
}
service anvil {
  chroot =
}
mail_max_userip_connections = 50
`;

async function open(world: World): Promise<void> {
  world.start();
  const settings = world.at("dovecot.conf");
  writeFileSync(settings, dovecotSettings(world.work));
  if (Bun.which("dovecot", { PATH: "/usr/sbin" }) !== null) {
    mkdirSync("/var/lib/dovecot", { recursive: true });
    await world.serve(["/usr/sbin/dovecot", "-F", "-c", settings], 1143);
  }
  const pop = [`${qmail}/bin/qmail-popup`, "--listen", "127.0.0.1:110", "test.example"];
  await world.serve([...pop, `${qmail}/bin/checkpassword`, `${qmail}/bin/qmail-pop3d`, "Maildir"], 110);
}

/** Three messages are in ann's Maildir, older than this second. */
async function three(world: World): Promise<void> {
  for (const subject of subjects) await world.send(letter(subject), to);
  await world.settled(() => world.maildir("ann").length === 3);
  await Bun.sleep(1100);
}

/** Without the field that getmail or mbsync adds by IMAP, and the empty lines that POP3 adds. */
const withoutMark = (message: string): string =>
  message.replace(/^X-(getmail-retrieved-from-mailbox|TUID): .*\n/m, "").replace(/\n+$/, "\n");

/** Exactly the three are in a directory of files, as they were delivered. */
function areThree(messages: readonly string[]): void {
  assert.equal(messages.length, 3);
  for (const subject of subjects)
    assert.ok(
      messages.some((message) => withoutMark(message).endsWith(letter(subject))),
      `${subject}: ${messages[0]}`,
    );
}

const filesOf = (directory: string): string[] =>
  ["new", "cur"].flatMap((part) =>
    readdirSync(`${directory}/${part}`).map((name) => `${directory}/${part}/${name}`),
  );
const textsOf = (directory: string): string[] =>
  filesOf(directory).map((path) => readFileSync(path, "latin1"));

async function mbsync(world: World): Promise<string> {
  await three(world);
  const copy = world.directory("ann", "copy");
  const settings = `IMAPAccount here
Host 127.0.0.1
Port 1143
User ann
Pass "${password}"
SSLType None
AuthMechs LOGIN

IMAPStore far
Account here

MaildirStore near
Inbox ${copy}/INBOX
SubFolders Maildir++

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
`;
  const file = world.write("ann", ".mbsyncrc", settings, 0o600);
  await world.must("ann", ["mbsync", "-c", file, "-a"]);
  areThree(textsOf(`${copy}/INBOX`));
  // A folder that only the copy has appears as a Maildir++ folder of ann's Maildir.
  await world.must("ann", ["maildirmake", `${copy}/INBOX/.kept`]);
  world.write("ann", "copy/INBOX/.kept/new/1.2.3", letter("kept"));
  await world.must("ann", ["mbsync", "-c", file, "-a"]);
  has(textsOf(world.at("ann/Maildir/.kept"))[0] ?? "", "\nSubject: kept\n");
  // And a .qmail file delivers into it, beside Dovecot's files.
  world.write("ann", ".qmail-kept", "./Maildir/.kept/\n");
  await world.send(letter("more"), "ann-kept@test.example");
  await world.settled(() => filesOf(world.at("ann/Maildir/.kept")).length === 2);
  await world.must("ann", ["mbsync", "-c", file, "-a"]);
  assert.equal(filesOf(`${copy}/INBOX/.kept`).length, 2);
  return "three messages, a Maildir++ folder both ways";
}

async function mu(world: World): Promise<string> {
  await three(world);
  await world.must("ann", ["mu", "init", `--maildir=${world.at("ann/Maildir")}`]);
  await world.must("ann", ["mu", "index"]);
  const found = await world.must("ann", ["mu", "find", "--fields", "s", "from:joe@test.example"]);
  assert.deepEqual(found.trim().split("\n").sort(), [...subjects].sort());
  return "indexes and finds three";
}

async function notmuch(world: World): Promise<string> {
  await three(world);
  const settings = `[database]\npath=${world.at("ann/Maildir")}\n[new]\ntags=new\n[maildir]\nsynchronize_flags=true\n`;
  const environment = { NOTMUCH_CONFIG: world.write("ann", "notmuch", settings) };
  await world.must("ann", ["notmuch", "new"], { environment });
  assert.equal(await world.must("ann", ["notmuch", "count", "from:joe"], { environment }), "3\n");
  await world.must("ann", ["notmuch", "tag", "+flagged", "subject:two"], { environment });
  assert.equal(readdirSync(world.at("ann/Maildir/cur")).filter((name) => /:2,.*F/.test(name)).length, 1);
  return "indexes three, its tag becomes a flag";
}

/** getmail, from a server with this port: everything, left there, not again, what is new, and gone. */
async function getmail(
  world: World,
  type: "SimplePOP3Retriever" | "SimpleIMAPRetriever",
  port: number,
): Promise<string> {
  const name = `getmail-${port}`;
  const place = world.directory("ann", name);
  const box = world.makeMaildir("ann", `${name}/box`);
  const settings = (remove: boolean) => `[retriever]
type = ${type}
server = 127.0.0.1
port = ${port}
username = ann
password = ${password}
[destination]
type = Maildir
path = ${box}/
[options]
delete = ${remove}
read_all = false
delivered_to = false
received = false
message_log = ${place}/log
`;
  const get = async (remove: boolean) => {
    world.write("ann", `${name}/getmailrc`, settings(remove), 0o600);
    await world.must("ann", ["getmail", "--getmaildir", place, "--quiet"]);
  };
  await three(world);
  await get(false);
  await get(false);
  areThree(textsOf(box));
  await world.send(letter("four"), to);
  await world.settled(() => world.maildir("ann").length === 4);
  await Bun.sleep(1100);
  await get(false);
  assert.equal(filesOf(box).length, 4);
  await get(true);
  assert.equal(filesOf(box).length, 4);
  await world.settled(() => world.maildir("ann").length === 0);
  return "left there, not fetched again, the new one, deleted";
}

export const reading: Group = {
  name: "reading",
  open: async (world) => {
    chmodSync(world.work, 0o755);
    await open(world);
  },
  rows: [
    { packages: ["maildir-utils"], direction: "Maildir -> mu", needs: ["mu"], check: mu },
    { packages: ["notmuch"], direction: "Maildir -> notmuch", needs: ["notmuch"], check: notmuch },
    {
      packages: ["getmail6"],
      direction: "qmail-popup, qmail-pop3d -> getmail, left on the server by UIDL",
      needs: ["getmail"],
      check: (world) => getmail(world, "SimplePOP3Retriever", 110),
    },
    {
      packages: ["getmail6", "dovecot-imapd", "dovecot-pop3d"],
      direction: "Maildir -> Dovecot -> getmail by IMAP",
      needs: ["getmail", "dovecot", "/usr/lib/dovecot/imap"],
      check: (world) => getmail(world, "SimpleIMAPRetriever", 1143),
    },
    {
      packages: ["isync", "dovecot-imapd", "dovecot-pop3d"],
      direction: "Maildir, Maildir++ -> Dovecot -> mbsync, and back",
      needs: ["mbsync", "dovecot", "/usr/lib/dovecot/imap"],
      check: mbsync,
    },
    {
      packages: ["dovecot-imapd", "dovecot-pop3d"],
      direction: "deliveries, Dovecot IMAP and qmail-pop3d on one Maildir",
      needs: ["dovecot", "/usr/lib/dovecot/imap"],
      check: crowd,
    },
  ],
};
