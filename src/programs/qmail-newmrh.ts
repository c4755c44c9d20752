/** qmail-newmrh(8): makes control/morercpthosts.cdb from control/morercpthosts. */
import { closeSync, openSync } from "node:fs";
import { lowerCase, trimEnd } from "../core/bytes/text.ts";
import { CdbReplacement, stepsOf } from "../core/control/cdbreplacement.ts";
import { Reader } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";

const source = "control/morercpthosts";
const fresh = "control/morercpthosts.tmp";
const database = "control/morercpthosts.cdb";
const reading = `unable to read ${source}: `;
const writing = `unable to write to ${fresh}: `;
// The reference has no colon here, and log readers may know it so.
const moving = `unable to move ${fresh} to ${database}`;

const comment = 35;

const attempt = stepsOf("qmail-newmrh");

export function main(): number {
  process.umask(0o033);
  attempt(`unable to chdir to ${qmailHome()}: `, () => process.chdir(qmailHome()));
  const hosts = attempt(reading, () => openSync(source, "r"));
  const cdb = attempt(writing, () => new CdbReplacement(fresh));
  try {
    compile(new Reader(hosts), cdb);
    attempt(writing, () => cdb.finish());
    attempt(moving, () => cdb.moveTo(database));
  } catch (failure) {
    attempt(`unable to remove ${fresh}: `, () => cdb.discard());
    throw failure;
  }
  closeSync(hosts);
  return 0;
}

/** One host or `.domain` a line, in small letters; empty lines and lines that begin with # do not count. */
function compile(hosts: Reader, cdb: CdbReplacement): void {
  for (;;) {
    const line = attempt(reading, () => hosts.line());
    if (line === undefined) return;
    const host = lowerCase(trimEnd(line));
    if (host.length > 0 && host[0] !== comment) attempt(writing, () => cdb.add(host, Buffer.alloc(0)));
  }
}
