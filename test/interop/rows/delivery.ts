/** Delivery agents, filters and responders that .qmail files and QMAILQUEUE run. */
import assert from "node:assert/strict";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Group, Row } from "./row.ts";
import { has, qmail, session, type World } from "./world.ts";

const to = "ann@test.example";
const body = "\xe4\xf6\xfc\n.\n..two\nFrom here\n\nend\n";
const letter = (subject: string) => `From: joe@test.example\nTo: ${to}\nSubject: ${subject}\n\n${body}`;

/** Exactly this message, after the fields of its way. */
function isLetter(message: string, subject: string): void {
  assert.ok(message.endsWith(letter(subject)), message);
}

/** A program with rules of its own: one message goes where the rules say, one to the mailbox, one back. */
function agent(name: string, command: string, file: string, rules: string): Row {
  return {
    packages: [name],
    direction: `.qmail -> ${command}: filed, delivered, refused`,
    needs: [name],
    check: async (world) => {
      world.makeMaildir("ann", `lists-${name}`);
      world.write("ann", file, rules, 0o600);
      world.write("ann", ".qmail", `|${command}\n`);
      await world.send(letter("for the list"), to);
      isLetter(await world.one("ann", `lists-${name}`), "for the list");
      await world.send(letter("for you"), to);
      isLetter(await world.one("ann"), "for you");
      await world.send(letter("not wanted"), to);
      has(await world.one("joe"), /^Return-Path: <>\n/, "\n<ann@test.example>:\n", "not wanted");
      assert.equal(world.maildir("ann").length, 0);
      return "each as its rule says; the refused one came back";
    },
  };
}

const procmailRules = `MAILDIR=$HOME
DEFAULT=$HOME/Maildir/
:0
* ^Subject: for the list
lists-procmail/
:0
* ^Subject: not wanted
{
  EXITCODE=100
  :0
  /dev/null
}
`;

const maildropRules = `if (/^Subject: for the list/)
  to "$HOME/lists-maildrop/"
if (/^Subject: not wanted/)
{
  echo "not wanted"
  EXITCODE=100
  exit
}
to "$HOME/Maildir/"
`;

async function dotForward(world: World): Promise<string> {
  world.write("ann", ".qmail", "|dot-forward .forward\n./Maildir/\n");
  world.write("ann", ".forward", `# comment\njoe@test.example, "|cat >$HOME/piped"\n`);
  await world.send(letter("onward"), to);
  const message = await world.one("joe");
  isLetter(message, "onward");
  has(message, "\nDelivered-To: ann@test.example\n");
  assert.equal(world.maildir("ann").length, 0);
  assert.ok(readFileSync(world.at("ann/piped"), "latin1").endsWith(letter("onward")));
  world.write("ann", ".forward", "\\ann, joe\n");
  await world.send(letter("both"), to);
  isLetter(await world.one("ann"), "both");
  isLetter(await world.one("joe"), "both");
  rmSync(world.at("ann/.forward"));
  await world.send(letter("without"), to);
  isLetter(await world.one("ann"), "without");
  return "addresses, programs, \\ann; without .forward it stays";
}

async function fastforward(world: World): Promise<string> {
  const text = `staff: joe, ann\nboss: joe\nprogram: "|cat >${world.at("piped")}"\n@list.example: ann\n`;
  writeFileSync("/etc/aliases", text);
  await world.must("root", ["qmail-newaliases"]);
  writeFileSync(`${qmail}/alias/.qmail-default`, "|fastforward -d /etc/aliases.cdb\n");
  writeFileSync(world.at("piped"), "");
  chmodSync(world.at("piped"), 0o666);
  try {
    await world.send(letter("staff"), "staff@test.example");
    for (const who of ["joe", "ann"] as const) isLetter(await world.one(who), "staff");
    await world.send(letter("program"), "program@test.example");
    await world.settled(() => readFileSync(world.at("piped"), "latin1").endsWith(letter("program")));
    await world.send(letter("nobody"), "nobody-there@test.example");
    has(await world.one("joe"), /^Return-Path: <>\n/, "\n<nobody-there@test.example>:\n", "#5.1.1");
    return "/etc/aliases: people, programs; nobody bounces";
  } finally {
    rmSync(`${qmail}/alias/.qmail-default`);
  }
}

async function safecat(world: World): Promise<string> {
  world.makeMaildir("ann", "safe");
  world.write("ann", ".qmail", '|preline -f safecat "$HOME"/safe/tmp "$HOME"/safe/new\n./Maildir/\n');
  await world.send(letter("safe"), to);
  const message = await world.one("ann", "safe");
  isLetter(message, "safe");
  has(message, /^Return-Path: <joe@test\.example>\nDelivered-To: ann@test\.example\n/);
  isLetter(await world.one("ann"), "safe");
  return "into a Maildir, with the fields of preline";
}

async function preline(world: World): Promise<string> {
  const keep = world.at("ann/formailed");
  world.write("ann", ".qmail", `|preline formail -A 'X-Seen: yes' >>${keep}\n./Mailbox\n`);
  await world.send(letter("first"), to);
  await world.send(letter("second"), to);
  await world.settled(() => (world.log.match(/success: /g) ?? []).length >= 2);
  for (const file of [keep, world.at("ann/Mailbox")]) {
    const counted = await world.must("ann", ["formail", "-s", "sh", "-c", "grep -c '^Subject: '"], {
      stdin: readFileSync(file),
    });
    assert.equal(counted, "1\n1\n");
  }
  has(readFileSync(keep, "latin1"), /^From joe@test\.example /, "\nX-Seen: yes\n", "\n>From here\n");
  return "formail finds two messages in what preline and ./Mailbox wrote";
}

/** What stands before qmail-queue; it learns what is spam, marks, and refuses. */
const filter = (home: string) => `#!/bin/sh
export BOGOFILTER_DIR=${home}
f=$(mktemp ${home}/XXXXXXXX) || exit 53
trap 'rm -f "$f"' EXIT
cat >"$f" || exit 54
bogofilter -p -e -l <"$f" >"$f.out" || { rm -f "$f.out"; exit 81; }
if grep -q '^X-Bogosity: Spam' "$f.out"; then rm -f "$f.out"; exit 31; fi
${qmail}/bin/qmail-queue <"$f.out"
code=$?
rm -f "$f.out"
exit $code
`;

async function bogofilter(world: World): Promise<string> {
  const home = world.directory("joe", "bogofilter");
  chmodSync(home, 0o777);
  const environment = { BOGOFILTER_DIR: home };
  const spam = Array.from(
    { length: 40 },
    (_, i) => `From x@y ${i}\nSubject: cheap pills ${i}\n\nbuy casino winner pills\n\n`,
  );
  const ham = Array.from(
    { length: 40 },
    (_, i) => `From x@y ${i}\nSubject: noon ${i}\n\nsee you at lunch tomorrow, Ann\n\n`,
  );
  await world.must("joe", ["bogofilter", "-s", "-M"], { stdin: spam.join(""), environment });
  await world.must("joe", ["bogofilter", "-n", "-M"], { stdin: ham.join(""), environment });
  const path = world.at("filter");
  writeFileSync(path, filter(home), { mode: 0o755 });
  const hook = { QMAILQUEUE: path };
  const good = "Subject: noon\n\nsee you at lunch tomorrow\n";
  const bad = "Subject: cheap pills\n\nbuy casino winner pills\n";
  await world.must("joe", ["/usr/sbin/sendmail", to], { stdin: good, environment: hook });
  has(await world.one("ann"), "\nX-Bogosity: Ham", "\n\nsee you at lunch tomorrow\n");
  const refused = await world.as("joe", ["/usr/sbin/sendmail", to], { stdin: bad, environment: hook });
  assert.deepEqual(
    [refused.code, refused.stderr],
    [100, "qmail-inject: fatal: mail server permanently rejected message (#5.3.0)\n"],
  );
  const port = 2526;
  await world.smtpd("127.0.0.1", port, `,QMAILQUEUE="${path}"`);
  for (const file of ["wordlist.db"]) chmodSync(`${home}/${file}`, 0o666);
  has(await world.smtp(session("bob@far.example", to, good), "127.0.0.1", port), /^250 ok \d+ qp/m);
  has(await world.one("ann"), "\nX-Bogosity: Ham");
  has(
    await world.smtp(session("bob@far.example", to, bad), "127.0.0.1", port),
    /^554 mail server permanently/m,
  );
  await world.settled();
  assert.equal(world.maildir("ann").length, 0);
  return "marks what passes, refuses spam: exit 100 and 554";
}

async function spamc(world: World): Promise<string> {
  const path = world.at("spamc-queue");
  writeFileSync(
    path,
    `#!/bin/sh\nspamc -d 127.0.0.1 -p 1 --connect-retries=1 | exec ${qmail}/bin/qmail-queue\n`,
    { mode: 0o755 },
  );
  await world.must("joe", ["/usr/sbin/sendmail", to], {
    stdin: Buffer.from(letter("by spamc"), "latin1"),
    environment: { QMAILQUEUE: path },
  });
  isLetter(await world.one("ann"), "by spamc");
  return "without its daemon the message passes as it was";
}

/** Both users have a responder: there is one answer to one message, and none to answers, lists and bounces. */
async function responders(world: World, install: (who: "joe" | "ann") => Promise<void>): Promise<string> {
  for (const who of ["joe", "ann"] as const) await install(who);
  await world.send(letter("question"), to);
  isLetter(await world.one("ann"), "question");
  const answer = await world.one("joe");
  has(answer, /^To: .*joe@test\.example/m, "away for a while\n");
  await world.send(letter("again"), to);
  isLetter(await world.one("ann"), "again");
  await world.send(`Precedence: bulk\n${letter("bulk")}`, to);
  isLetter(await world.one("ann"), "bulk");
  await world.must("joe", ["/usr/sbin/sendmail", "-f", "", to], {
    stdin: Buffer.from(letter("bounce"), "latin1"),
  });
  isLetter(await world.one("ann"), "bounce");
  for (let quiet = 0; quiet < 20; quiet++) {
    await Bun.sleep(25);
    await world.settled();
  }
  assert.deepEqual([world.maildir("joe").length, world.maildir("ann").length], [0, 0]);
  return "one answer; none to the answer, a list, a bounce, nor twice";
}

async function vacation(world: World, who: "joe" | "ann"): Promise<void> {
  world.write(
    who,
    ".vacation.msg",
    `From: ${who}@test.example\nSubject: away\nPrecedence: bulk\n\naway for a while\n`,
  );
  await world.must(who, ["vacation", "-i"]);
  world.write(who, ".qmail", `./Maildir/\n|preline vacation -d ${who}\n`);
}

async function mailbot(world: World, who: "joe" | "ann"): Promise<void> {
  world.write(who, "away.txt", "away for a while\n");
  const command = `mailbot -t away.txt -d ./answered -N -A "From: ${who}@test.example" /usr/sbin/sendmail -t -f ''`;
  world.write(who, ".qmail", `./Maildir/\n|preline -f ${command}\n`);
}

async function loops(world: World): Promise<string> {
  world.write("joe", ".qmail", "&ann@test.example\n");
  world.write("ann", ".qmail", '|formail -I "X-Loop: 1" | forward joe@test.example\n');
  writeFileSync(`${qmail}/alias/.qmail-root`, "#\n");
  await world.must("root", ["/usr/sbin/sendmail", "-f", "root@test.example", to], {
    stdin: letter("round and round"),
  });
  await world.settled();
  const looping = (world.log.match(/This_message_is_looping/g) ?? []).length;
  assert.equal(looping, 1);
  return "ends with one bounce, by Delivered-To";
}

export const delivery: Group = {
  name: "delivery",
  open: async (world) => world.start(),
  rows: [
    agent("procmail", "preline procmail", ".procmailrc", procmailRules),
    agent("maildrop", "preline maildrop", ".mailfilter", maildropRules),
    {
      packages: ["dot-forward"],
      direction: ".qmail -> dot-forward -> queue",
      needs: ["dot-forward"],
      check: dotForward,
    },
    {
      packages: ["fastforward"],
      direction: "alias/.qmail-default -> fastforward -> queue",
      needs: ["fastforward"],
      check: fastforward,
    },
    { packages: ["safecat"], direction: ".qmail -> preline safecat", needs: ["safecat"], check: safecat },
    {
      packages: ["procmail"],
      direction: ".qmail -> preline formail; ./Mailbox -> formail",
      needs: ["formail"],
      check: preline,
    },
    {
      packages: ["bogofilter-sqlite"],
      direction: "QMAILQUEUE -> bogofilter -> qmail-queue",
      needs: ["bogofilter"],
      check: bogofilter,
    },
    { packages: ["spamc"], direction: "QMAILQUEUE -> spamc -> qmail-queue", needs: ["spamc"], check: spamc },
    {
      packages: ["vacation"],
      direction: ".qmail -> vacation at both ends",
      needs: ["vacation"],
      check: (world) => responders(world, (who) => vacation(world, who)),
    },
    {
      packages: ["maildrop"],
      direction: ".qmail -> mailbot at both ends",
      needs: ["mailbot"],
      check: (world) => responders(world, (who) => mailbot(world, who)),
    },
    {
      packages: ["procmail"],
      direction: ".qmail -> formail | forward, in a circle",
      needs: ["formail"],
      check: loops,
    },
  ],
};
