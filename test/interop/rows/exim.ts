/** Exim as the neighbour. */
import { mkdirSync, writeFileSync } from "node:fs";
import { address, answering, box, domain, makeBox, openNeighbour, rowsOf } from "./neighbours.ts";
import type { Group } from "./row.ts";
import type { World } from "./world.ts";

const configuration = `primary_hostname = ${domain}
domainlist local_domains = ${domain}
domainlist relay_to_domains = test.example : elsewhere.example
hostlist relay_from_hosts = 127.0.0.0/8
acl_smtp_rcpt = acl_check_rcpt
local_interfaces = ${address}
tls_advertise_hosts =
message_size_limit = 2M
never_users =
host_lookup =
rfc1413_query_timeout = 0s
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
queue_only = false
keep_environment =
trusted_users = root

begin acl
acl_check_rcpt:
  require verify = recipient
  accept domains = +local_domains : +relay_to_domains
  deny message = relay not permitted

begin routers
here:
  driver = accept
  domains = +local_domains
  local_parts = joe
  transport = maildir
nobody:
  driver = redirect
  domains = +local_domains
  allow_fail
  data = :fail: Unrouteable address, no such user
there:
  driver = manualroute
  domains = ! +local_domains
  transport = remote
  route_list = * 127.0.0.1
  self = send

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = ${box}
  user = Debian-exim
  group = Debian-exim
remote:
  driver = smtp
  interface = ${address}
  hosts_try_fastopen =

begin retry
* * F,1h,5s

begin rewrite
begin authenticators
`;

/** As the installation of the package would do it. */
export async function installExim(world: World): Promise<void> {
  for (const directory of ["/var/spool/exim4", "/var/log/exim4"]) {
    mkdirSync(directory, { recursive: true });
    await world.must("root", ["chown", "Debian-exim:Debian-exim", directory]);
  }
  mkdirSync("/etc/exim4", { recursive: true });
}

async function open(world: World): Promise<void> {
  await openNeighbour(world);
  await installExim(world);
  writeFileSync("/etc/exim4/exim4.conf", configuration);
  makeBox("Debian-exim");
  const server = world.background(["exim4", "-bdf", "-q10s"]);
  try {
    await answering(world);
  } catch (error) {
    throw new Error(`${error}\n${server.log}`);
  }
}

export const exim: Group = {
  name: "exim",
  unpacked: "exim",
  open,
  rows: rowsOf({
    packages: ["exim4-daemon-light", "swaks", "iproute2"],
    needs: ["exim4", "swaks", "ip"],
    limit: 2_100_000,
    inject: (from, to) => ["exim4", "-i", "-f", from, to],
    sendsLong: false,
  }),
};
