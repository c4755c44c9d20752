/** Postfix as the neighbour. */
import { mkdirSync, writeFileSync } from "node:fs";
import { address, answering, box, domain, makeBox, openNeighbour, rowsOf } from "./neighbours.ts";
import type { Group } from "./row.ts";
import { has, qmail, theirSendmail, type World } from "./world.ts";

const settings = `compatibility_level = 3.6
myhostname = ${domain}
mydestination =
inet_interfaces = ${address}
inet_protocols = ipv4
smtp_bind_address = ${address}
smtp_dns_support_level = disabled
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = ${domain}
virtual_mailbox_base = /
virtual_mailbox_maps = inline:{joe@${domain}=${box.slice(1)}/}
virtual_uid_maps = static:1050
virtual_gid_maps = static:1050
virtual_minimum_uid = 100
relayhost = [127.0.0.1]:25
relay_domains = test.example, elsewhere.example
message_size_limit = 2000000
smtpd_client_restrictions =
maillog_file = /var/log/postfix.log
append_dot_mydomain = no
biff = no
minimal_backoff_time = 5s
`;

const services = `smtp inet n - n - - smtpd
628 inet n - n - - qmqpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

/** As the installation of the package would do it, and with these settings. */
export async function installPostfix(world: World): Promise<void> {
  mkdirSync("/var/spool/postfix", { recursive: true });
  mkdirSync("/var/lib/postfix", { recursive: true });
  await world.must("root", ["chown", "postfix", "/var/lib/postfix"]);
  writeFileSync("/etc/postfix/main.cf", `${settings}qmqpd_authorized_clients = 127.0.0.0/8\n`);
  writeFileSync("/etc/postfix/master.cf", services);
  makeBox("postfix");
}

async function open(world: World): Promise<void> {
  await openNeighbour(world);
  await installPostfix(world);
  const started = await world.as("root", ["postfix", "start"]);
  try {
    await answering(world);
  } catch (error) {
    const log = await world.as("root", ["cat", "/var/log/postfix.log"]);
    throw new Error(`${error}\n${started.stdout}${started.stderr}${log.stdout}`);
  }
}

/** A host without a queue whose server for QMQP is Postfix, and Postfix's qmqp-source as such a host. */
async function toQmqpd(world: World): Promise<string> {
  world.control("qmqpservers", `${address}\n`);
  const text = "From: joe@test.example\nSubject: by QMQP\n\n\xe4\n.\nend\n";
  const environment = { QMAILQUEUE: `${qmail}/bin/qmail-qmqpc` };
  await world.must("joe", ["/usr/sbin/sendmail", "ann@test.example"], {
    stdin: Buffer.from(text, "latin1"),
    environment,
  });
  has(
    await world.one("ann"),
    "by neighbour.example (Postfix) with QMQP",
    "\nSubject: by QMQP\n\n\xe4\n.\nend\n",
  );
  return "qmail-qmqpc gives Postfix a message, which it sends to qmail-smtpd";
}

async function fromQmqpSource(world: World): Promise<string> {
  await world.serve([`${qmail}/bin/qmail-qmqpd`, "--listen", "127.0.0.1:628", "--user", "qmaild"], 628);
  const numbers = [
    "-4",
    "-s",
    "5",
    "-m",
    "50",
    "-l",
    "5000",
    "-f",
    "joe@test.example",
    "-t",
    "ann@test.example",
  ];
  await world.must("root", ["qmqp-source", ...numbers, "127.0.0.1"]);
  await world.receive("ann", 50);
  return "50 of 50 arrived";
}

const their = {
  packages: ["postfix", "swaks", "iproute2"],
  needs: ["postfix", "swaks", "ip"],
  limit: 2_000_000,
  inject: (from, to) => [theirSendmail, "-i", "-f", from, to],
  sendsLong: true,
} satisfies Parameters<typeof rowsOf>[0];

export const postfix: Group = {
  name: "postfix",
  unpacked: "postfix",
  open,
  rows: [
    ...rowsOf(their),
    {
      packages: ["postfix"],
      direction: "qmail-qmqpc -> Postfix's qmqpd -> qmail-smtpd",
      needs: ["postfix"],
      check: toQmqpd,
    },
    {
      packages: ["postfix"],
      direction: "qmqp-source -> qmail-qmqpd",
      needs: ["qmqp-source"],
      check: fromQmqpSource,
    },
  ],
};
