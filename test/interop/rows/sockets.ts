/** What listens for the servers that answer for one connection: tcpserver, inetd with tcpd, systemd. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import type { Group } from "./row.ts";
import { has, nextSecond, password, qmail, searchPath, session, type World } from "./world.ts";

const to = "ann@test.example";
const text = "Subject: by socket\n\n.\nend\n";

/** A message for ann comes, one for another host is refused. */
async function takes(world: World, port: number): Promise<string> {
  const replies = await world.smtp(session("bob@far.example", to, text), "127.0.0.1", port);
  has(replies, /^250 ok \d+ qp/m);
  const relay = "HELO client.example\nMAIL FROM:<>\nRCPT TO:<joe@elsewhere.example>\nQUIT\n";
  has(await world.smtp(relay, "127.0.0.1", port), /^553 sorry, that domain isn't in my list/m);
  const message = await world.one("ann");
  assert.ok(message.endsWith(text), message);
  return message;
}

const pop = (world: World, port: number): Promise<string> =>
  world.smtp(`USER ann\nPASS ${password}\nSTAT\nRETR 1\nDELE 1\nQUIT\n`, "127.0.0.1", port);

async function tcpserver(world: World): Promise<string> {
  const chain = ["recordio", "rblsmtpd", "-r", "list.invalid", `${qmail}/bin/qmail-smtpd`];
  const id = await world.must("root", ["id", "-u", "qmaild"]);
  const group = await world.must("root", ["id", "-g", "qmaild"]);
  const who = ["-u", id.trim(), "-g", group.trim()];
  const rules = world.at("tcp.smtp.cdb");
  const source = '127.0.0.2:deny\n127.0.0.1:allow,RBLSMTPD=""\n:deny\n';
  await world.must("root", [`${qmail}/bin/tcprules`, rules, `${rules}.tmp`], { stdin: source });
  const server = await world.serve(
    ["tcpserver", "-v", "-H", "-R", "-l0", "-x", rules, ...who, "127.0.0.1", "2501", ...chain],
    2501,
  );
  has(await takes(world, 2501), /\nReceived: from unknown \(HELO client\.example\) \(127\.0\.0\.1\)\n/);
  has(server.log, /^tcpserver: ok \d+ 0:127\.0\.0\.1:2501 :127\.0\.0\.1::\d+$/m, /^\d+ > 250 ok \d+ qp/m);
  const listed = '127.:allow,RBLSMTPD="-go away"\n';
  await world.must("root", [`${qmail}/bin/tcprules`, rules, `${rules}.tmp`], { stdin: listed });
  has(await world.smtp(session("bob@far.example", to, text), "127.0.0.1", 2501), /^553 go away/m);
  return "recordio, rblsmtpd and -x with a cdb of our tcprules";
}

async function inetd(world: World): Promise<string> {
  const lines = [
    `127.0.0.1:2502 stream tcp nowait qmaild ${qmail}/bin/tcp-env tcp-env ${qmail}/bin/qmail-smtpd`,
    `127.0.0.1:2503 stream tcp nowait root ${qmail}/bin/qmail-popup qmail-popup test.example ${qmail}/bin/checkpassword ${qmail}/bin/qmail-pop3d Maildir`,
  ];
  const conf = world.at("inetd.conf");
  writeFileSync(conf, `${lines.join("\n")}\n`);
  await world.serve(["inetd", "-i", conf], 2502);
  has(
    await takes(world, 2502),
    /\nReceived: from .*\(HELO client\.example\) \(127\.0\.0\.1\)\n {2}by .* with SMTP; /,
  );
  await world.send(text, to);
  await world.settled(() => world.maildir("ann").length === 1);
  await nextSecond();
  has(await pop(world, 2503), /^\+OK 1 \d+\r$/m, "Subject: by socket\r\n\r\n..\r\nend\r\n");
  assert.equal(world.maildir("ann").length, 0);
  return "tcp-env qmail-smtpd; qmail-popup with system passwords";
}

async function tcpd(world: World): Promise<string> {
  const line = `127.0.0.1:2504 stream tcp nowait qmaild /usr/sbin/tcpd ${qmail}/bin/tcp-env ${qmail}/bin/qmail-smtpd`;
  const conf = world.at("inetd-tcpd.conf");
  writeFileSync(conf, `${line}\n`);
  writeFileSync("/etc/hosts.allow", "# nothing yet\n");
  writeFileSync("/etc/hosts.deny", "");
  await world.serve(["inetd", "-i", conf], 2504);
  await takes(world, 2504);
  writeFileSync("/etc/hosts.allow", "tcp-env: 127.0.0.1: setenv RELAYCLIENT \n");
  const relay = "HELO client.example\nMAIL FROM:<>\nRCPT TO:<joe@elsewhere.example>\nQUIT\n";
  has(await world.smtp(relay, "127.0.0.1", 2504), /^250 ok\r?$/m);
  writeFileSync("/etc/hosts.deny", "tcp-env: ALL\n");
  writeFileSync("/etc/hosts.allow", "");
  assert.equal(await world.smtp("QUIT\n", "127.0.0.1", 2504).catch(() => ""), "");
  return "setenv RELAYCLIENT in hosts.allow, hosts.deny";
}

/** Units as an administrator would write them. */
const units: Readonly<Record<string, string>> = {
  "qmail-send.service": `[Unit]
Description=qmail: deliveries
After=network.target
[Service]
ExecStart=${qmail}/bin/qmail-start ./Maildir/
Environment=PATH=${searchPath}
Restart=always
KillMode=mixed
[Install]
WantedBy=multi-user.target
`,
  "qmail-smtpd.socket": `[Unit]
Description=qmail: SMTP
[Socket]
ListenStream=127.0.0.1:25
Accept=yes
[Install]
WantedBy=sockets.target
`,
  "qmail-smtpd@.service": `[Unit]
Description=qmail: an SMTP client
[Service]
User=qmaild
ExecStart=${qmail}/bin/tcp-env ${qmail}/bin/qmail-smtpd
StandardInput=socket
StandardError=journal
`,
};

async function verify(world: World): Promise<string> {
  const directory = world.at("units");
  mkdirSync(directory);
  for (const [name, unit] of Object.entries(units)) writeFileSync(`${directory}/${name}`, unit);
  const files = Object.keys(units).map((name) => `${directory}/${name}`);
  const { code, stderr } = await world.as("root", ["systemd-analyze", "verify", "--man=no", ...files], {
    environment: { SYSTEMD_UNIT_PATH: `${directory}:` },
  });
  const ours = stderr.split("\n").filter((line) => line.includes("qmail"));
  assert.deepEqual([code, ours], [0, []]);
  return "qmail-send.service, qmail-smtpd.socket with Accept=yes";
}

async function activate(world: World): Promise<string> {
  const words = ["--accept", "--inetd", "-l", "127.0.0.1:2505", "-E", `PATH=${searchPath}`];
  const server = [`${qmail}/bin/tcp-env`, `${qmail}/bin/qmail-smtpd`];
  await world.serve(["systemd-socket-activate", ...words, ...server], 2505);
  has(await takes(world, 2505), /\(HELO client\.example\) \(127\.0\.0\.1\)\n/);
  return "tcp-env qmail-smtpd for each connection";
}

export const sockets: Group = {
  name: "sockets",
  open: async (world) => {
    world.start();
    chmodSync(world.work, 0o755);
  },
  rows: [
    {
      packages: ["ucspi-tcp"],
      direction: "tcpserver, recordio, rblsmtpd -> qmail-smtpd",
      needs: ["tcpserver", "recordio", "rblsmtpd"],
      check: tcpserver,
    },
    {
      packages: ["openbsd-inetd"],
      direction: "inetd -> tcp-env qmail-smtpd, qmail-popup",
      needs: ["inetd"],
      check: inetd,
    },
    {
      packages: ["tcpd", "openbsd-inetd"],
      direction: "inetd, tcpd -> tcp-env qmail-smtpd",
      needs: ["inetd", "tcpd"],
      check: tcpd,
    },
    {
      packages: ["systemd"],
      direction: "systemd-analyze verify: units",
      needs: ["systemd-analyze"],
      check: verify,
    },
    {
      packages: ["systemd"],
      direction: "systemd-socket-activate -> tcp-env qmail-smtpd",
      needs: ["systemd-socket-activate"],
      check: activate,
    },
  ],
};
