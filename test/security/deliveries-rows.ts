/** What a hostile user, or who writes to one, has qmail-lspawn and qmail-local do; see deliveries.ts. */

/** One message, and what becomes of it. */
export interface Row {
  group: string;
  name: string;
  /** Run by a shell as joe, in joe's home, which has a Maildir and nothing else. */
  before?: string;
  /** The same as root. */
  asRoot?: string;
  /** Local part of the recipient; default: joe. One character a byte. */
  to?: string;
  sender?: string;
  text?: string;
  /** joe's home sends it on to joe: what becomes of that one counts. */
  loops?: true;
  /** Run as root in joe's home afterwards; what it prints is part of what is expected, behind a bar. */
  after?: string;
  /** The words of qmail-send's log. */
  expected: string;
}

const one = "success: did_1+0+0/";
const denied = (what: string) => `deferral: Unable_to_open_${what}:_access_denied._`;
const nobody = "failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/";

const row = (
  group: string,
  name: string,
  before: string,
  expected: string,
  more: Partial<Row> = {},
): Row => ({
  ...{ group, name, before, expected },
  ...more,
});

const mbox = (name: string, before: string, expected: string): Row =>
  row("mbox", name, `${before}; echo ./Mbox >.qmail`, expected);

const mboxes: Row[] = [
  mbox("a link to /etc/passwd", "ln -s /etc/passwd Mbox", `${denied("./Mbox")}(#4.2.1)/`),
  mbox("a link to ann's mbox", "ln -s ../ann/Mbox Mbox", `${denied("./Mbox")}(#4.2.1)/`),
  mbox(
    "a FIFO that nobody reads",
    "mkfifo Mbox",
    "deferral: Unable_to_open_./Mbox:_device_not_configured._(#4.2.1)/",
  ),
  mbox("a directory", "mkdir Mbox", "deferral: Unable_to_open_./Mbox:_is_a_directory._(#4.2.1)/"),
  row(
    "mbox",
    "the log",
    "echo /var/log/qmail-send/current >.qmail",
    `${denied("/var/log/qmail-send/current")}(#4.2.1)/`,
  ),
  row(
    "mbox",
    "the trigger",
    "echo /var/qmail/queue/lock/trigger >.qmail",
    `${denied("/var/qmail/queue/lock/trigger")}(#4.2.1)/`,
  ),
  row("mbox", "lines that begin with From are quoted", "echo ./Mbox >.qmail", `${one} | >From x`, {
    text: "Subject: x\n\nFrom x\n",
    after: "grep -c '^From ' Mbox | grep -v '^1$'; grep '^>' Mbox",
  }),
];

const noMaildir = "deferral: Unable_to_chdir_to_maildir._(#4.2.1)/";
const maildirFails = "deferral: Temporary_error_on_maildir_delivery._(#4.3.0)/";

const maildirs: Row[] = [
  row("Maildir", "a link to ann's", "rm -r Maildir; ln -s ../ann/Maildir Maildir", noMaildir),
  row("Maildir", "ann's by name", "echo ../ann/Maildir/ >.qmail", noMaildir),
  row("Maildir", "tmp is /etc", "rmdir Maildir/tmp; ln -s /etc Maildir/tmp", maildirFails),
  row("Maildir", "new is /etc", "rmdir Maildir/new; ln -s /etc Maildir/new", maildirFails),
  row("Maildir", "new is ann's", "rmdir Maildir/new; ln -s ../../ann/Maildir/new Maildir/new", maildirFails),
  row("Maildir", "new is a file", "rmdir Maildir/new; touch Maildir/new", maildirFails),
  row(
    "Maildir",
    "full of FIFOs and links",
    "mkfifo Maildir/new/1 Maildir/tmp/1; ln -s /etc/shadow Maildir/new/2",
    one,
  ),
];

const instructions: Row[] = [
  row(".qmail", "a FIFO counts as none", "mkfifo .qmail", one),
  row(".qmail", "a directory counts as none", "mkdir .qmail", one),
  row(".qmail", "a device counts as none", "ln -s /dev/zero .qmail", one),
  row(".qmail", "a link to /etc/shadow", "ln -s /etc/shadow .qmail", `${denied(".qmail")}(#4.3.0)/`),
  row(
    ".qmail",
    "a link to ann's secrets",
    "ln -s ../ann/.qmail-secret .qmail",
    `${denied(".qmail")}(#4.3.0)/`,
  ),
  row(
    ".qmail",
    "writable by others",
    "echo ./Maildir/ >.qmail; chmod 666 .qmail",
    "deferral: Uh-oh:_.qmail_file_is_writable._(#4.7.0)/",
  ),
  row(
    ".qmail",
    "in a home that others can write to",
    "chmod 777 .",
    "deferral: Uh-oh:_home_directory_is_writable._(#4.7.0)/",
  ),
  row(
    ".qmail",
    "in a home that is sticky",
    "chmod +t .",
    "deferral: Home_directory_is_sticky:_user_is_editing_his_.qmail_file._(#4.2.1)/",
  ),
  row(".qmail", "in a home that is somebody else's", "", nobody, { asRoot: "chown ann ." }),
  row(
    ".qmail",
    "with the x bit runs nothing",
    "echo '|touch ran' >.qmail; chmod +x .qmail",
    "deferral: Uh-oh:_.qmail_has_prog_delivery_but_has_x_bit_set._(#4.7.0)/ | 0",
    { after: "ls | grep -c ran" },
  ),
  row(
    ".qmail",
    "100000 instructions of no meaning",
    "yes '#' | head -100000 >.qmail; echo ./Maildir/ >>.qmail",
    one,
  ),
  row(
    ".qmail",
    "one line of 8 MB",
    "head -c 8388608 /dev/zero | tr '\\0' '#' >.qmail; echo >>.qmail; echo ./Maildir/ >>.qmail",
    one,
  ),
];

const program = (name: string, command: string, expected: string, after?: string): Row =>
  row(
    "program",
    name,
    `cat >.qmail <<'END'\n|${command}\nEND`,
    expected,
    after === undefined ? {} : { after },
  );

const programs: Row[] = [
  program(
    "lines that look like the log's stay in one",
    "printf 'x\\nend msg 1\\ndelivery 1: success: y\\n'",
    "success: x/end_msg_1/delivery_1:_success:_y/did_0+0+1/",
  ),
  program(
    "control characters do not reach the log",
    "printf '\\033[2Jx\\001\\377'",
    "success: _[2Jx__did_0+0+1/",
  ),
  program("300 MB of output are cut", "head -c 300000000 /dev/zero | tr '\\0' x", "success: cut"),
  program("kills its qmail-local", "kill -9 $PPID", "deferral: qmail-local_crashed./"),
  program("kills all that it can", "kill -9 -1", "deferral: qmail-local_crashed./"),
  program(
    "writes to the message in the queue",
    "id -u; (echo x >/proc/self/fd/0) 2>/dev/null && echo written; true",
    "success: 1008/did_0+0+1/",
  ),
  program(
    "calls a set-user-id program",
    "/var/qmail/bin/forward friends@test.example >/dev/null 2>&1",
    "success: did_0+0+1/",
  ),
  program(
    "has the runtime run its code",
    `echo 'require("node:fs").writeFileSync("ran", String(process.geteuid()))' >evil.js; BUN_OPTIONS="--preload $HOME/evil.js" /var/qmail/bin/forward friends@test.example >/dev/null 2>&1; cat ran`,
    "success: 1008did_0+0+1/",
  ),
];

const extension = (name: string, text: string): Row =>
  row("recipient", name, "echo ./Maildir/ >.qmail-default", `${one} | 1`, {
    to: `joe-${text}`,
    after: "ls Maildir/new | wc -l",
  });

const account = (text: string, expected = nobody): Row =>
  row("recipient", JSON.stringify(text), "", expected, { to: text });

const recipients: Row[] = [
  extension("..", "../../ann/x"),
  extension("an absolute path", "/etc/passwd"),
  extension("words for sh", "$(touch ran);`touch ran`|touch ran&'\""),
  extension("a line feed", "a\n|touch ran\nb"),
  extension("bytes that are no UTF-8, and words for sh", "\xff\xfe$(touch ran)'`touch ran`"),
  extension("options", "-n --resident"),
  extension("900 bytes", "x".repeat(890)),
  row(
    "recipient",
    ".. leads nowhere else",
    "mkdir -p .qmail-x; echo ./Maildir/ >.qmail-default",
    `${one} | `,
    {
      to: "joe-x/../../ann/.qmail",
      after: "ls ../ann/Maildir/new",
    },
  ),
  row(
    "recipient",
    "a line feed forges no Delivered-To",
    "echo ./Maildir/ >.qmail-default",
    `${one} | Delivered-To: joe-a_Bcc: b@test.example`,
    {
      to: "joe-a\nBcc: b",
      after: "grep -a -A1 ^Delivered-To Maildir/new/* | head -1",
    },
  ),
  account("--version"),
  account("--preload=/etc/passwd"),
  account("-e"),
  account("--resident"),
  account(".."),
  account("/"),
  account("~ann"),
  account("joe/../ann"),
  account("qmaild"),
  account("qmailq-x"),
  account("root-x"),
  account("toor"),
  account("root", one),
];

const assigned = (name: string, line: string, expected: string, to = "assigned"): Row => ({
  ...row("users/assign", name, "", expected, { to }),
  asRoot: `printf '%s\\n.\\n' "${line}" >/var/qmail/users/assign; /var/qmail/bin/qmail-newu`,
});

const asRoot = "deferral: Not_allowed_to_perform_deliveries_as_root./";
const home = "$PWD";

const assignments: Row[] = [
  assigned("root", `=assigned:root:0:0:${home}:::`, asRoot),
  assigned("a number that is 0 in 32 bits", `=assigned:x:4294967296:1008:${home}:::`, asRoot),
  assigned("no number", `=assigned:x:joe:1008:${home}:::`, asRoot),
  assigned(
    "the number that is none",
    `=assigned:x:4294967295:1008:${home}:::`,
    "deferral: Internal_qmail-lspawn_bug./",
  ),
  assigned(
    "the group that is none",
    `=assigned:x:1008:4294967295:${home}:::`,
    "deferral: Internal_qmail-lspawn_bug./",
  ),
  assigned("the largest number", `=assigned:x:4294967294:4294967294:${home}:::`, noMaildir),
  assigned("a wildcard with ..", `+assigned-:joe:1008:1008:${home}:-::`, nobody, "assigned-../../ann/x"),
  assigned("a wildcard for everything is joe's alone", `+:joe:1008:1008:${home}:-::`, nobody, "ann"),
];

const messages: Row[] = [
  row(
    "message",
    "comes round to joe",
    "echo '&joe@test.example' >.qmail",
    "failure: This_message_is_looping:_it_already_has_my_Delivered-To_line._(#5.4.6)/",
    {
      loops: true,
    },
  ),
  row("message", "100000 fields", "", one, { text: `${"X: y\n".repeat(100_000)}\nz\n` }),
  row("message", "a field of 64 MB", "", one, { text: `X: ${"y".repeat(64 << 20)}\n\nz\n` }),
  row("message", "a sender with line feeds forges no field", "", `${one} | Return-Path: <"a\\_Bcc: c"@b>`, {
    sender: "a\nBcc: c@b",
    after: "head -1 Maildir/new/*",
  }),
  row("message", "a sender with line feeds forges no line of the log", "", `${one} | 0`, {
    sender: "a\nend msg 1\nb@c",
    after: "grep -c '^b@c' /var/log/qmail-send/current",
  }),
];

export const rows: readonly Row[] = [
  ...mboxes,
  ...maildirs,
  ...instructions,
  ...programs,
  ...recipients,
  ...messages,
  // The last: from then on users/cdb says whose mail is whose.
  ...assignments,
];
