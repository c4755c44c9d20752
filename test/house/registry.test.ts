/**
 * The registry, bin/, package.json and the manual name the same programs; and every program of qmail 1.03 and of notqmail
 * 1.09 is among them, or qmail-differences(7) says why not.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { differing } from "../../scripts/launchers.ts";
import { brief } from "../../src/brief.ts";
import { version } from "../../src/core/cli/version.ts";
import { programs } from "../../src/programs.ts";

const root = resolve(import.meta.dir, "../..");
const description = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

test("bin/ and package.json are as `npm run launchers` makes them", () => {
  expect(differing()).toEqual([]);
});

test("the registry is sorted and names nothing twice", () => {
  const names = programs.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)].sort());
});

test("the programs that are bundled are in the registry", () => {
  const names = programs.map(({ name }) => name);
  expect(brief.filter((name) => !names.includes(name))).toEqual([]);
});

test("every program is a file of its name, and has a page in the manual", () => {
  const missing = programs.flatMap(({ name, section }) => [
    ...(existsSync(join(root, `src/programs/${name}.ts`)) || existsSync(join(root, `src/programs/${name}/`))
      ? []
      : [`src/programs/${name}.ts`]),
    ...(existsSync(join(root, `man/${name}.${section}`)) ? [] : [`man/${name}.${section}`]),
  ]);
  expect(missing).toEqual([]);
});

test("the version is said once", () => {
  expect(version).toBe(description.version);
});

test("packages have exact versions", () => {
  const { dependencies, devDependencies, optionalDependencies } = description;
  const wanted: Record<string, string> = { ...dependencies, ...devDependencies, ...optionalDependencies };
  expect(Object.entries(wanted).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([]);
});

/** The programs of the originals, by what they are for. */
const originals: Readonly<Record<string, string>> = {
  "queue and deliveries": `
    qmail-clean qmail-getpw qmail-local qmail-lspawn qmail-queue qmail-remote qmail-rspawn qmail-send qmail-start
    splogger`,
  "sending and mailboxes": `
    bouncesaying condredirect datemail elq except forward maildir2mbox maildirmake maildirwatch mailsubj pinq predate
    preline qail qbiff qmail-inject qreceipt qsmhook sendmail`,
  network: `
    qmail-pop3d qmail-popup qmail-qmqpc qmail-qmqpd qmail-qmtpd qmail-smtpd tcp-env`,
  administration: `
    qmail-newmrh qmail-newu qmail-pw2u qmail-qread qmail-qstat qmail-showctl qmail-tcpok qmail-tcpto qmail-upq`,
  // In the source trees, for people to run once: set-up, questions to DNS, starting at boot.
  "set-up": `
    binm1 binm1+df binm2 binm2+df binm3 binm3+df config config-fast dnscname dnsfq dnsip dnsmxip dnsptr hier home
    home+df hostname idedit install install-big instcheck instchown instpackage ipmeprint proc proc+df
    qmail-send.service`,
};

const differences = readFileSync(join(root, "man/qmail-differences.7"), "utf8");

/** Programs that the page has an item for; the reason follows it. */
const explained: ReadonlySet<string> = new Set(
  differences
    .slice(differences.indexOf("\n.Ss Programs\n"))
    .split("\n")
    .filter((line) => line.startsWith(".It "))
    .flatMap((line) => line.slice(4).split(/[ ,]+/)),
);
const names: ReadonlySet<string> = new Set(programs.map(({ name }) => name));

for (const [use, list] of Object.entries(originals)) {
  const all = list.trim().split(/\s+/);
  const here = all.filter((name) => names.has(name));
  const left = all.filter((name) => !names.has(name) && explained.has(name));
  test(`originals, ${use}: ${here.length} of ${all.length} are here, ${left.length} are left out with a reason`, () => {
    expect(all.filter((name) => !names.has(name) && !explained.has(name))).toEqual([]);
    expect(here.filter((name) => explained.has(name))).toEqual([]);
  });
}
