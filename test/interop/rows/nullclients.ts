/** Programs that only hand a person's mail to the next host: here qmail-smtpd and qmail-qmqpd. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { makeFifo } from "../../../src/core/sys/libc.ts";
import type { Group } from "./row.ts";
import { has, qmail, theirSendmail, type World } from "./world.ts";

const to = "ann@test.example";
const body = "\n\xe4\xf6\xfc\n.\n..two\nFrom here\n\nend\n";
const text = Buffer.from(`From: joe@test.example\nTo: ${to}\nSubject: a letter\n${body}`, "latin1");
const fromJoe = /^Return-Path: <joe@test\.example>\nDelivered-To: ann@test\.example\n/;

async function nullmailer(world: World, protocol: "smtp" | "qmqp"): Promise<string> {
  writeFileSync("/etc/nullmailer/remotes", `127.0.0.1 ${protocol}\n`);
  await world.must("root", [theirSendmail, "-i", "-f", "joe@test.example", to], { stdin: text });
  const server = world.background(["nullmailer-send"]);
  try {
    has(await world.one("ann"), fromJoe, "\nSubject: a letter\n", body);
    return "every byte";
  } finally {
    await server.stop();
  }
}

async function openNullmailer(world: World): Promise<void> {
  world.start();
  await world.smtpd();
  await world.serve([`${qmail}/bin/qmail-qmqpd`, "--listen", "127.0.0.1:628", "--user", "qmaild"], 628);
  await installNullmailer(world);
}

/** As the installation of the package would do it. */
export async function installNullmailer(world: World): Promise<void> {
  mkdirSync("/etc/nullmailer", { recursive: true });
  makeFifo("/var/spool/nullmailer/trigger", 0o622);
  chmodSync("/var/spool/nullmailer/trigger", 0o622);
  await world.must("root", ["chown", "-R", "mail:mail", "/var/spool/nullmailer"]);
  await world.must("root", ["chown", "mail:mail", "/usr/sbin/nullmailer-queue", "/etc/nullmailer"]);
  await world.must("root", ["chmod", "4755", "/usr/sbin/nullmailer-queue"]);
}

async function msmtp(world: World): Promise<string> {
  const words = [
    "msmtp",
    "--host=127.0.0.1",
    "--port=25",
    "--from=joe@test.example",
    "--domain=test.example",
    to,
  ];
  await world.must("joe", words, { stdin: text });
  has(await world.one("ann"), fromJoe, "\nSubject: a letter\n", body);
  return "every byte";
}

export const nullclients: Group = {
  name: "nullclients",
  unpacked: "nullmailer",
  open: openNullmailer,
  rows: [
    {
      packages: ["nullmailer"],
      direction: "nullmailer -> qmail-smtpd",
      needs: ["nullmailer-send"],
      check: (world) => nullmailer(world, "smtp"),
    },
    {
      packages: ["nullmailer"],
      direction: "nullmailer -> qmail-qmqpd",
      needs: ["nullmailer-send"],
      check: (world) => nullmailer(world, "qmqp"),
    },
    { packages: ["msmtp"], direction: "msmtp -> qmail-smtpd", needs: ["msmtp"], check: msmtp },
  ],
};
