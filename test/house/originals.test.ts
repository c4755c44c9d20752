/** Every program of qmail 1.03 and of notqmail 1.09 is in the registry, or qmail-differences(7) says why not. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { programs } from "../../src/programs.ts";

/** What the originals install into bin. */
const installed = `
  bouncesaying condredirect datemail except forward maildir2mbox maildirmake mailsubj predate preline qbiff qmail-clean
  qmail-getpw qmail-inject qmail-local qmail-lspawn qmail-newmrh qmail-newu qmail-pop3d qmail-popup qmail-pw2u
  qmail-qmqpc qmail-qmqpd qmail-qmtpd qmail-qread qmail-qstat qmail-queue qmail-remote qmail-rspawn qmail-send
  qmail-showctl qmail-smtpd qmail-start qmail-tcpok qmail-tcpto qreceipt sendmail splogger tcp-env
  elq maildirwatch pinq qail qsmhook`;

/** What their source trees have beside that, for people to run: set-up, questions to DNS, starting at boot. */
const uninstalled = `
  config config-fast dnscname dnsfq dnsip dnsmxip dnsptr hier hostname idedit install install-big instcheck instchown
  instpackage ipmeprint qmail-upq binm1 binm2 binm3 home proc`;

const words = (text: string): string[] => text.trim().split(/\s+/);
const differences = readFileSync(join(import.meta.dir, "../../man/qmail-differences.7"), "utf8");
const explained = differences
  .split("\n")
  .filter((line) => line.startsWith(".It "))
  .flatMap((line) => line.slice(4).split(/[ ,]+/));
const names = new Set(programs.map(({ name }) => name));

test.each(words(installed))("%s exists", (name) => {
  expect(names).toContain(name);
});

test.each(words(uninstalled))("%s exists, or there is a reason why not", (name) => {
  expect(names.has(name) || explained.includes(name)).toBe(true);
});
