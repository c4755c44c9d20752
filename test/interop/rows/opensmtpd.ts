/** OpenSMTPD as the neighbour. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { address, answering, box, domain, makeBox, openNeighbour, rowsOf } from "./neighbours.ts";
import type { Group } from "./row.ts";
import { theirSendmail, type World } from "./world.ts";

const configuration = `smtp max-message-size 2M
table people { "joe" = "opensmtpd" }
table users { "opensmtpd" = "1053:1053:/var/lib/opensmtpd" }
listen on ${address} port 25 hostname ${domain}
listen on socket
action "here" maildir "${box}" virtual <people> userbase <users>
action "there" relay host smtp://127.0.0.1 src ${address} helo ${domain}
match from any for domain "${domain}" action "here"
match from any for any action "there"
`;

/** As the installation of the package would do it. */
export async function installOpensmtpd(world: World): Promise<void> {
  mkdirSync("/var/spool/smtpd", { recursive: true });
  chmodSync("/var/spool/smtpd", 0o711);
  mkdirSync("/run/opensmtpd-empty", { recursive: true });
  await world.must("root", ["chgrp", "opensmtpq", "/usr/sbin/smtpctl"]);
  await world.must("root", ["chmod", "2755", "/usr/sbin/smtpctl"]);
}

async function open(world: World): Promise<void> {
  await openNeighbour(world);
  await installOpensmtpd(world);
  writeFileSync("/etc/smtpd.conf", configuration, { mode: 0o644 });
  writeFileSync("/etc/mailname", `${domain}\n`);
  makeBox("opensmtpd");
  const server = world.background(["smtpd", "-d"]);
  try {
    await answering(world);
  } catch (error) {
    throw new Error(`${error}\n${server.log}`);
  }
}

export const opensmtpd: Group = {
  name: "opensmtpd",
  unpacked: "opensmtpd",
  open,
  rows: rowsOf({
    packages: ["opensmtpd", "swaks", "iproute2"],
    needs: ["/usr/sbin/smtpd", "swaks", "ip"],
    limit: 2_200_000,
    inject: (from, to) => [theirSendmail, "-i", "-f", from, to],
    sendsLong: true,
  }),
};
