/** Programs that give a person's mail to /usr/sbin/sendmail, and one that prefers SMTP. */
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, mkdirSync, writeFileSync } from "node:fs";
import type { Group, Row } from "./row.ts";
import { has, qmail, type World } from "./world.ts";

const to = "ann@test.example";
const body = "Grüße\n.\n..two\nFrom here\n\nend\n";
/** The body as it is delivered, a character for a byte. */
const bytes = Buffer.from(body).toString("latin1");
const fromJoe = /^Return-Path: <joe@test\.example>\nDelivered-To: ann@test\.example\n/;

/** A mail client that takes the body from descriptor 0. */
function client(name: string, command: string[], ...needles: (string | RegExp)[]): Row {
  return {
    packages: [name],
    direction: `${command[0]} -> sendmail -> Maildir`,
    needs: [command[0] ?? ""],
    check: async (world) => {
      await world.must("joe", command, { stdin: body });
      const message = await world.one("ann");
      has(message, fromJoe, "\nSubject: a letter\n", ...needles);
      return "8-bit body as it was";
    },
  };
}

/** Waits for what a job of cron's has written. */
async function cron(world: World): Promise<string> {
  mkdirSync("/var/spool/cron/crontabs", { recursive: true });
  chmodSync("/var/spool/cron/crontabs", 0o1730);
  const job = "@reboot printf 'the job says: h\\303\\244\\n.\\nend\\n'\n";
  await world.must("root", ["crontab", "-u", "joe", "-"], { stdin: `MAILTO=${to}\n${job}` });
  const daemon = Bun.spawn(["cron", "-f"], { stdio: ["ignore", "ignore", "ignore"] });
  try {
    const message = await world.one("ann");
    // cron says neither USER nor LOGNAME to sendmail.
    has(
      message,
      "Return-Path: <anonymous@test.example>\n",
      /\nSubject: Cron <joe@.*> printf/,
      "\n\nthe job says: h\xc3\xa4\n.\nend\n",
    );
    has(message, /^From: .*\(Cron Daemon\)|^From: "?Cron ?Daemon"? </m);
    return "output of a job, 8-bit; the sender is anonymous@, as cron does not say who it is";
  } finally {
    daemon.kill();
    await daemon.exited;
  }
}

const identity = { GIT_AUTHOR_NAME: "Joë", GIT_COMMITTER_NAME: "Joë" };
const emails = { GIT_AUTHOR_EMAIL: "joe@test.example", GIT_COMMITTER_EMAIL: "joe@test.example" };

/** A patch by mail: what arrives can be applied, and gives the same tree. */
async function patch(world: World, name: string, ...how: string[]): Promise<string> {
  const git = (directory: string, ...words: string[]) =>
    world.must("joe", ["git", "-C", directory, ...words], { environment: { ...identity, ...emails } });
  const [from, into] = [world.directory("joe", `${name}-from`), world.directory("joe", `${name}-into`)];
  for (const directory of [from, into]) {
    await git(directory, "init", "-q");
    await git(directory, "commit", "-q", "--allow-empty", "-m", "empty", "--date", "2026-01-01T00:00:00");
  }
  world.write("joe", `${name}-from/letter`, `Grüße\n.\nFrom here\n\n${"long ".repeat(180)}\nno end of line`);
  await git(from, "add", "letter");
  await git(from, "commit", "-q", "-m", "letter: Größe");
  const options = ["--confirm=never", "--suppress-cc=all", "--from=joe@test.example", `--to=${to}`];
  const encoding = "--transfer-encoding=8bit";
  await git(from, "send-email", "--quiet", encoding, ...options, ...how, "HEAD^");
  const message = await world.one("ann");
  const file = world.write("joe", `${name}.mail`, Buffer.from(message, "latin1"));
  await git(into, "am", "-q", file);
  const trees = [await git(from, "rev-parse", "HEAD^{tree}"), await git(into, "rev-parse", "HEAD^{tree}")];
  assert.equal(trees[0], trees[1]);
  return "git am makes the same tree of it";
}

const php = (settings: string[]): string[] => [
  "php",
  ...settings.flatMap((setting) => ["-d", setting]),
  "-r",
  `exit(mail("${to}", "a letter", file_get_contents("php://stdin"), "From: joe@test.example\\r\\nX-One: 1", "-fjoe@test.example") ? 0 : 1);`,
];

const perl = `open(my $mail, "|-", "/usr/sbin/sendmail -t -i -oi") or die;
print $mail "To: $ARGV[0]\\nBcc: joe\\@test.example\\nFrom: Joe <joe\\@test.example>\\nSubject: a letter\\n\\n", <STDIN>;
close($mail) or die "exit $?";`;

const bodyIs = (message: string, expected: string) =>
  assert.equal(message.slice(message.indexOf("\n\n") + 2), expected);

export const injection: Group = {
  name: "injection",
  open: async (world) => {
    world.start();
    await world.smtpd();
    writeFileSync(`${qmail}/alias/.qmail-root`, `&${to}\n`);
  },
  rows: [
    client(
      "mutt",
      ["mutt", "-e", "set send_charset=utf-8", "-s", "a letter", to],
      `\n\n${bytes}`,
      "\nFrom: joe@test.example\n",
    ),
    {
      packages: ["mutt"],
      direction: "mutt with attachment and -f -> sendmail",
      needs: ["mutt", "base64"],
      check: async (world) => {
        const file = world.write(
          "joe",
          "bytes.bin",
          Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 256)),
        );
        const settings = ["send_charset=utf-8", "use_8bitmime", "use_envelope_from"];
        const words = settings.flatMap((setting) => ["-e", `set ${setting}`]);
        await world.must("joe", ["mutt", ...words, "-s", "a letter", "-a", file, "--", to], { stdin: body });
        const message = await world.one("ann");
        has(message, fromJoe, bytes);
        const encoded = /name="?bytes.bin"?[\s\S]*?\n\n([A-Za-z0-9+/=\n]+)\n--/.exec(message)?.[1] ?? "";
        assert.deepEqual(Buffer.from(encoded, "base64"), Buffer.from(await Bun.file(file).bytes()));
        return "attachment as it was";
      },
    },
    client("s-nail", ["s-nail", "-:/", "-S", "mime-encoding=8bit", "-s", "a letter", to], bytes),
    client("mailutils", ["mail.mailutils", "-s", "a letter", to], `\n\n${bytes}`),
    { packages: ["cron"], direction: "cron -> sendmail", needs: ["cron", "crontab"], check: cron },
    {
      packages: ["git-email", "libmailtools-perl"],
      direction: "git send-email -> sendmail",
      needs: ["/usr/lib/git-core/git-send-email", "/usr/share/perl5/Mail/Address.pm"],
      check: (world) => patch(world, "sendmail"),
    },
    {
      packages: ["git-email", "libmailtools-perl"],
      direction: "git send-email -> qmail-smtpd",
      needs: ["/usr/lib/git-core/git-send-email", "/usr/share/perl5/Mail/Address.pm"],
      check: (world) => patch(world, "smtp", "--smtp-server=127.0.0.1"),
    },
    {
      packages: ["php-cli"],
      direction: "PHP mail() with mail.mixed_lf_and_crlf -> sendmail -t -i",
      needs: ["php"],
      check: async (world) => {
        await world.must("joe", php(["mail.mixed_lf_and_crlf=1"]), { stdin: body });
        const message = await world.one("ann");
        has(message, fromJoe, "\nFrom: joe@test.example\n", "\nX-One: 1\n\n");
        bodyIs(message, `${bytes}\n`);
        return "body as it was";
      },
    },
    {
      packages: ["php-cli"],
      direction: "PHP mail() as it comes, with CR LF -> sendmail -t -i",
      needs: ["php"],
      check: async (world) => {
        await world.must("joe", php([]), { stdin: body });
        const message = await world.one("ann");
        has(message, fromJoe, /\nFrom: joe@test\.example\r?\n/, /\nX-One: 1\r?\n/, bytes);
        return "arrives; CRs stay, so mail.mixed_lf_and_crlf is better";
      },
    },
    {
      packages: ["perl"],
      direction: "Perl | sendmail -t -i, with Bcc",
      needs: ["perl"],
      check: async (world) => {
        await world.must("joe", ["perl", "-e", perl, to], { stdin: body });
        const [toAnn, toJoe] = [await world.one("ann"), await world.one("joe")];
        for (const message of [toAnn, toJoe]) {
          has(message, "\nTo: ann@test.example\n");
          assert.doesNotMatch(message, /^Bcc:/m);
          bodyIs(message, bytes);
        }
        return "both got it, Bcc is gone";
      },
    },
    {
      packages: ["logtail"],
      direction: "logtail | mailsubj, from an empty environment",
      needs: ["logtail"],
      check: async (world) => {
        const log = world.at("messages");
        const script = `PATH=${qmail}/bin:/usr/bin:/usr/sbin; logtail ${log} | mailsubj 'what is new' root`;
        for (const line of ["first\n", "second\n"]) {
          appendFileSync(log, line);
          await world.must("root", ["env", "-i", "/bin/sh", "-c", script]);
          const message = await world.one("ann");
          has(message, "\nSubject: what is new\n", "\nDelivered-To: root@test.example\n");
          bodyIs(message, line);
        }
        return "each line once, by the alias for root";
      },
    },
  ],
};
