/** The recipes in the guides of the manual: every one of them is a row. */
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { programs } from "../../helpers/home.ts";
import { until } from "../../scenarios/home.ts";
import type { Unpacked } from "../unpack.ts";
import { installExim } from "./exim.ts";
import { answering } from "./neighbours.ts";
import { installNullmailer } from "./nullclients.ts";
import { installOpensmtpd } from "./opensmtpd.ts";
import { installPostfix } from "./postfix.ts";
import { type Recipe, rowOf, units } from "./recipe.ts";
import type { Group } from "./row.ts";
import { nextSecond, password, qmail, type World } from "./world.ts";

type Rest = readonly [title: string, packages: Recipe["packages"], ...needs: string[]];

/** Where a recipe's server greets, by its heading. */
const servers: Readonly<Record<string, readonly [host: string, port: number]>> = {
  tcpserver: ["127.0.0.1", 2526],
  inetd: ["127.0.0.1", 25],
  tcpd: ["127.0.0.1", 2527],
  daemontools: ["127.0.0.1", 25],
  "softlimit and envdir": ["127.0.0.1", 2525],
  runit: ["127.0.0.1", 25],
  s6: ["127.0.0.1", 25],
  Postfix: ["192.0.2.2", 25],
  "QMQP with Postfix": ["192.0.2.2", 25],
  Exim: ["192.0.2.2", 25],
  OpenSMTPD: ["192.0.2.2", 25],
};

/** Waits for it, for qmail-send's log where the recipe has a supervisor that keeps it, for what qmail-pop3d may list. */
async function ready(world: World, name: string, title: string): Promise<void> {
  const server = servers[title];
  if (server !== undefined) await answering(world, ...server);
  const log = "/var/log/qmail-send";
  if (existsSync(log)) await until("qmail-send's log", () => existsSync(`${log}/current`));
  if (name === "readers") await nextSecond();
}

/** What the recipes count on: mail for mail.example.org is for the users of this host. */
async function open(world: World): Promise<void> {
  chmodSync(world.work, 0o755);
  for (const name of ["locals", "rcpthosts"])
    world.control(name, "test.example\nlocalhost\nmail.example.org\n");
  world.start();
}

const group = (name: string, recipes: readonly Rest[], more: Partial<Group> = {}): Group => ({
  name,
  open,
  ...more,
  rows: recipes.map(([title, packages, ...needs]) =>
    rowOf({
      page: `guide-${name.split("-")[0]}.7`,
      title,
      packages,
      needs,
      ready: (world) => ready(world, name, title),
    }),
  ),
});

const has = (program: string): boolean =>
  Bun.which(program, { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }) !== null;

const sending = group(
  "sending",
  [
    ["mutt", ["mutt"], "mutt"],
    ["s-nail", ["s-nail"], "s-nail"],
    ["mail", ["mailutils"], "mail.mailutils"],
    ["cron", ["cron"], "cron"],
    [
      "git send-email",
      ["git-email", "libmailtools-perl"],
      "/usr/lib/git-core/git-send-email",
      "/usr/share/perl5/Mail/Address.pm",
    ],
    ["PHP", ["php-cli"], "php"],
    ["Perl", ["perl"], "perl"],
    ["logtail", ["logtail"], "logtail"],
    ["msmtp", ["msmtp"], "msmtp"],
    ["nullmailer", ["nullmailer"], "nullmailer-send"],
  ],
  {
    unpacked: "nullmailer",
    open: async (world) => {
      await open(world);
      await world.smtpd();
      // Without the package its recipe is skipped, and the others are tried.
      if (has("cron")) world.background(["cron", "-f"]);
      if (has("nullmailer-send")) await installNullmailer(world);
      units(world, { nullmailer: "setsid nullmailer-send >/dev/null 2>&1 &" });
    },
  },
);

const filters = group("filters", [
  ["procmail", ["procmail"], "procmail"],
  ["formail", ["procmail"], "formail"],
  ["maildrop", ["maildrop"], "maildrop"],
  ["dot-forward", ["dot-forward"], "dot-forward"],
  ["fastforward", ["fastforward"], "fastforward"],
  ["safecat", ["safecat"], "safecat"],
  ["vacation", ["vacation"], "vacation"],
  ["bogofilter", ["bogofilter-sqlite"], "bogofilter"],
  ["spamc", ["spamc"], "spamc"],
]);

const dovecot = ["dovecot-imapd", "dovecot-pop3d"] as const;

const readers = group(
  "readers",
  [
    ["mutt", ["mutt"], "mutt"],
    ["mu", ["maildir-utils"], "mu"],
    ["notmuch", ["notmuch"], "notmuch"],
    ["Dovecot", ["dovecot-imapd", "dovecot-pop3d"], "dovecot", "/usr/lib/dovecot/imap"],
    ["isync", ["isync", ...dovecot], "mbsync", "dovecot", "/usr/lib/dovecot/imap"],
    ["getmail", ["getmail6"], "getmail"],
    ["mpop", ["mpop"], "mpop"],
    ["fetchmail", ["fetchmail"], "fetchmail"],
    ["Python", ["python3"], "python3"],
  ],
  {
    open: async (world) => {
      await open(world);
      world.write("ann", ".secret", `${password}\n`, 0o600);
      const pop = [`${qmail}/bin/qmail-popup`, "--listen", "127.0.0.1:110", "mail.example.org"];
      await world.serve([...pop, `${qmail}/bin/checkpassword`, `${qmail}/bin/qmail-pop3d`, "Maildir"], 110);
      if (has("dovecot") && has("make-ssl-cert")) await certificate(world);
      units(world, { dovecot: "dovecot" });
    },
  },
);

/** A machine on which nothing of this project runs yet, and what looks after the services in a directory. */
const supervised = (...scan: string[]): Partial<Group> => ({
  open: async (world) => {
    chmodSync(world.work, 0o755);
    await world.must("root", [`${programs}/qmail`, "setup", "--host", "mail.example.org"]);
    units(world, { inetd: "inetd -i &" });
    const directory = scan.at(-1);
    if (directory === undefined) return;
    mkdirSync(directory, { recursive: true });
    world.background(scan);
  },
});

const services: readonly Group[] = [
  group(
    "services",
    [
      ["systemd", ["systemd"], "systemd-analyze"],
      ["tcpserver", ["ucspi-tcp", "swaks"], "tcpserver", "swaks"],
      ["inetd", ["openbsd-inetd", "swaks"], "inetd", "swaks"],
      ["tcpd", ["tcpd", "openbsd-inetd", "swaks"], "inetd", "tcpd", "swaks"],
    ],
    supervised(),
  ),
  group(
    "services-daemontools",
    [
      ["daemontools", ["daemontools"], "svscan", "multilog"],
      ["softlimit and envdir", ["daemontools", "swaks"], "svscan", "softlimit", "envdir", "swaks"],
    ],
    supervised("svscan", "/etc/service"),
  ),
  group(
    "services-runit",
    [["runit", ["runit"], "runsvdir", "svlogd"]],
    supervised("runsvdir", "/etc/service"),
  ),
  group("services-s6", [["s6", ["s6"], "s6-svscan", "s6-log"]], supervised("s6-svscan", "/run/service")),
];

/** Another mail system at 192.0.2.2; its recipe says what it is told, and starts it. */
const neighbour = (
  unpacked: Unpacked,
  prepare: (world: World) => Promise<void> | void,
  start: string,
  ...recipes: Rest[]
): Group =>
  group(`neighbours-${unpacked}`, recipes, {
    unpacked,
    open: async (world) => {
      await world.must("root", ["ip", "address", "add", "192.0.2.2/24", "dev", "lo"]);
      await open(world);
      await world.smtpd();
      await prepare(world);
      units(world, { [unpacked === "exim" ? "exim4" : unpacked]: start });
    },
  });

const neighbours: readonly Group[] = [
  neighbour(
    "postfix",
    async (world) => {
      await installPostfix(world);
      await world.must("root", ["postconf", "-e", "inet_interfaces = 192.0.2.2"]);
      // The route of the rows has a sender's address of its own.
      await world.must("root", ["postconf", "-X", "smtp_bind_address"]);
    },
    "postfix stop >/dev/null 2>&1; postfix start",
    ["Postfix", ["postfix", "swaks", "iproute2"], "postfix", "swaks", "ip"],
    ["QMQP with Postfix", ["postfix", "iproute2"], "postfix", "ip"],
  ),
  neighbour("exim", installExim, "exim4 -bd -q1m", [
    "Exim",
    ["exim4-daemon-light", "swaks", "iproute2"],
    "exim4",
    "swaks",
    "ip",
  ]),
  neighbour("opensmtpd", installOpensmtpd, "smtpd", [
    "OpenSMTPD",
    ["opensmtpd", "swaks", "iproute2"],
    "/usr/sbin/smtpd",
    "swaks",
    "ip",
  ]),
];

/** The one that Debian's Dovecot begins with, where the machine lost it. */
async function certificate(world: World): Promise<void> {
  await world.must("root", ["make-ssl-cert", "generate-default-snakeoil", "--force-overwrite"]);
  const [from, to] = ["/etc/ssl", "/etc/dovecot/private"];
  await world.must("root", ["ln", "-sf", `${from}/certs/ssl-cert-snakeoil.pem`, `${to}/dovecot.pem`]);
  await world.must("root", ["ln", "-sf", `${from}/private/ssl-cert-snakeoil.key`, `${to}/dovecot.key`]);
}

export const recipes: readonly Group[] = [...services, ...neighbours, sending, filters, readers];
