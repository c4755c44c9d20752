/** Mail is read: Maildirs by others while mail is delivered to them, and by POP3. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { crowd } from "./crowd.ts";
import type { Group } from "./row.ts";
import { has, nextSecond, password, qmail, type World } from "./world.ts";

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
  await world.smtpd();
  const pop = [`${qmail}/bin/qmail-popup`, "--listen", "127.0.0.1:110", "test.example"];
  await world.serve([...pop, `${qmail}/bin/checkpassword`, `${qmail}/bin/qmail-pop3d`, "Maildir"], 110);
}

/** Mail for ann, until her Maildir has so many; older than this second, before which qmail-pop3d does not list it. */
async function deliver(world: World, subjects: readonly string[], count: number): Promise<void> {
  for (const subject of subjects) await world.send(letter(subject), to);
  await world.settled(() => world.maildir("ann").length === count);
  await nextSecond();
}

/** Three messages are in ann's Maildir. */
const three = (world: World): Promise<void> => deliver(world, subjects, 3);

/** Without the fields that getmail, mbsync and mutt add, and the empty lines that POP3 adds. */
const withoutMark = (message: string): string =>
  message
    .replace(/^(X-getmail-retrieved-from-mailbox|X-TUID|Content-Length|Lines|Status): .*\n/gm, "")
    .replace(/\n+$/, "\n");

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

/** What fetches mail: writes its settings into the directory, for a Maildir in it; its command. */
type Fetcher = (world: World, name: string, port: number, remove: boolean) => string[];

const getmail =
  (protocol: "POP3" | "IMAP"): Fetcher =>
  (world, name, port, remove) => {
    const place = world.at("ann", name);
    const settings = `[retriever]
type = Simple${protocol}Retriever
server = 127.0.0.1
port = ${port}
username = ann
password = ${password}
[destination]
type = Maildir
path = ${place}/box/
[options]
delete = ${remove}
read_all = false
delivered_to = false
received = false
message_log = ${place}/log
`;
    world.write("ann", `${name}/getmailrc`, settings, 0o600);
    return ["getmail", "--getmaildir", place, "--quiet"];
  };

const mpop: Fetcher = (world, name, port, remove) => {
  const place = world.at("ann", name);
  const settings = `account default
host 127.0.0.1
port ${port}
tls off
auth user
user ann
password ${password}
keep ${remove ? "off" : "on"}
uidls_file ${place}/uidls
received_header off
delivery maildir ${place}/box
`;
  return ["mpop", "--file", world.write("ann", `${name}/mpoprc`, settings, 0o600), "--quiet"];
};

/** It gives what it fetches to qmail-smtpd, for joe, with another name in Delivered-To. */
const fetchmail: Fetcher = (world, name, port, remove) => {
  const settings = `poll 127.0.0.1 protocol POP3 port ${port} uidl no dns
user ann password "${password}" is joe@test.example here sslproto "" smtphost 127.0.0.1
no rewrite pass8bits fetchlimit 0 ${remove ? "no keep flush" : "keep"}
`;
  const rc = world.write("ann", `${name}/fetchmailrc`, settings, 0o600);
  const files = ["--fetchmailrc", rc, "--idfile", world.at("ann", name, "ids")];
  // Its exit code 1 says that there is no mail.
  const words = [
    "fetchmail",
    ...files,
    "--pidfile",
    world.at("ann", name, "pid"),
    "--nodetach",
    "--nosyslog",
  ];
  return ["sh", "-c", '"$@"; test $? -le 1', "fetchmail", ...words];
};

/** From a server with this port: everything, left there, not again, what is new, and gone. */
async function fetched(world: World, fetcher: Fetcher, port: number, bySmtp = false): Promise<string> {
  const name = `fetched-${port}-${fetcher.name || "getmail"}`;
  world.directory("ann", name);
  const box = bySmtp ? world.at("joe/Maildir") : world.makeMaildir("ann", `${name}/box`);
  const get = async (remove: boolean) => {
    await world.must("ann", fetcher(world, name, port, remove));
    await world.settled();
  };
  await three(world);
  await get(false);
  await get(false);
  areThree(textsOf(box));
  await deliver(world, ["four"], 4);
  await get(false);
  assert.equal(filesOf(box).length, 4);
  await get(true);
  assert.equal(filesOf(box).length, 4);
  await world.settled(() => world.maildir("ann").length === 0);
  return "left there, not fetched again, the new one, deleted";
}

/** Reads POP3 or IMAP by Python's libraries, as ann; prints what the expression makes of `pop` or `imap`. */
const python = (expression: string, ...words: string[]): string[] => {
  const [name, connection] = expression.startsWith("imap")
    ? ["imaplib", "imap = imaplib.IMAP4('127.0.0.1', 1143); imap.login('ann', sys.argv[1]); imap.select()"]
    : ["poplib", "pop = poplib.POP3('127.0.0.1', 110); pop.user('ann'); pop.pass_(sys.argv[1])"];
  const end = name === "imaplib" ? "imap.logout()" : "pop.quit()";
  const script = `import sys, ${name}; ${connection}; print(${expression}); ${end}`;
  return ["python3", "-c", script, password, ...words];
};

/** What a mail client does that leaves mail on the server for some days: it knows messages by their UIDL. */
async function habit(world: World): Promise<string> {
  const run = (...words: Parameters<typeof python>) => world.must("ann", python(...words));
  const uidl = async () => {
    const lines = (await run("'\\n'.join(line.decode() for line in pop.uidl()[1])")).trim().split("\n");
    return new Map(lines.map((line) => line.split(" ")).map(([number = "", name = ""]) => [name, number]));
  };
  await three(world);
  const first = await uidl();
  const [oldest = "", middle = ""] = first.keys();
  const retrieve = (number = "") => run(`pop.retr(int(sys.argv[2]))[1]`, number);
  const text = await retrieve(first.get(oldest));
  has(text, "b'Subject: ", "b'..two', b'From here', b'', b'end'");
  // Another reader has seen one: its file has moved, with flags.
  await run("imap.store('2', '+FLAGS', '(\\\\Seen \\\\Flagged)')");
  assert.equal(world.maildir("ann").filter((path) => /\/cur\/.*:2,FS$/.test(path)).length, 1);
  await deliver(world, ["four"], 4);
  const second = await uidl();
  assert.equal(second.size, 4);
  assert.ok([...first.keys()].every((name) => second.has(name)));
  assert.equal(await retrieve(second.get(oldest)), text);
  // A connection that breaks off deletes nothing: only QUIT does.
  await run("[pop.dele(1), pop.close(), setattr(pop, 'quit', lambda: 0)]");
  assert.deepEqual([...(await uidl()).keys()], [...second.keys()]);
  // Days later one is deleted, by its name.
  await run("pop.dele(int(sys.argv[2]))", second.get(middle) ?? "");
  assert.deepEqual(
    [...(await uidl()).keys()],
    [...second.keys()].filter((name) => name !== middle),
  );
  return "names stay though files move and mail comes; only QUIT deletes";
}

/** mutt on a terminal: copies three, answers to none, flags one, deletes one; meanwhile mail comes. */
async function mutt(world: World): Promise<string> {
  world.makeMaildir("ann", "copies");
  await three(world);
  const keys = [
    // Its first question gets no answer where keys were there before it.
    "<search>~A<enter>",
    "<tag-pattern>~A<enter><tag-prefix><copy-message>~/copies<enter><untag-pattern>~A<enter>",
    "<search>~s two<enter><flag-message>",
    "<delete-pattern>~s one<enter>",
    `<shell-escape>/usr/sbin/sendmail ${to} <four<enter>`,
    "<quit>",
  ];
  world.write("ann", "four", letter("four"));
  const settings = ["delete=yes", "quit=yes", "move=no", "confirmappend=no", "wait_key=no"];
  const rc = world.write(
    "ann",
    "muttrc",
    `${settings.map((line) => `set ${line}`).join("\n")}\npush "${keys.join("")}"\n`,
  );
  const command = `mutt -n -F ${rc} -f Maildir`;
  await world.must("ann", ["timeout", "60", "script", "-qec", command, "/dev/null"], {
    environment: { TERM: "xterm" },
  });
  await world.settled(() => world.maildir("ann").length === 3);
  areThree(textsOf(world.at("ann/copies")));
  const left = world.maildir("ann").map((path) => readFileSync(path, "latin1"));
  assert.deepEqual(left.map((text) => /^Subject: (.*)$/m.exec(text)?.[1]).sort(), ["four", "three", "two"]);
  const flagged = world.maildir("ann").filter((path) => /:2,[A-Z]*F/.test(path));
  assert.equal(flagged.length, 1);
  has(readFileSync(flagged[0] ?? "", "latin1"), "\nSubject: two\n");
  return "three copied as they were, one flagged, one deleted; one came meanwhile";
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
      packages: ["mutt"],
      direction: "Maildir -> mutt, and deliveries",
      needs: ["mutt", "script"],
      check: mutt,
    },
    {
      packages: ["getmail6"],
      direction: "qmail-popup, qmail-pop3d -> getmail, left on the server by UIDL",
      needs: ["getmail"],
      check: (world) => fetched(world, getmail("POP3"), 110),
    },
    {
      packages: ["mpop"],
      direction: "qmail-popup, qmail-pop3d -> mpop, left on the server by UIDL",
      needs: ["mpop"],
      check: (world) => fetched(world, mpop, 110),
    },
    {
      packages: ["fetchmail"],
      direction: "qmail-popup, qmail-pop3d -> fetchmail -> qmail-smtpd",
      needs: ["fetchmail"],
      check: (world) => fetched(world, fetchmail, 110, true),
    },
    {
      packages: ["python3", "dovecot-imapd", "dovecot-pop3d"],
      direction: "qmail-pop3d -> a client that leaves mail there for days (poplib)",
      needs: ["python3", "dovecot", "/usr/lib/dovecot/imap"],
      check: habit,
    },
    {
      packages: ["dovecot-pop3d", "dovecot-imapd", "mpop"],
      direction: "Maildir -> Dovecot by POP3 -> mpop",
      needs: ["mpop", "dovecot", "/usr/lib/dovecot/pop3"],
      check: (world) => fetched(world, mpop, 1110),
    },
    {
      packages: ["dovecot-imapd", "dovecot-pop3d", "getmail6"],
      direction: "Maildir -> Dovecot by IMAP -> getmail",
      needs: ["getmail", "dovecot", "/usr/lib/dovecot/imap"],
      check: (world) => fetched(world, getmail("IMAP"), 1143),
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
