/**
 * A table of addresses that changes while others read it: `node table.js FILE.cdb` makes it from the lines
 * `key value` on descriptor 0, then prints what it has for every key, as netstrings.
 */
import { createInterface } from "node:readline";
import { Cdb, writeCdb } from "qmail-ts/cdb";
import { encodeNetstring } from "qmail-ts/netstring";

const file = process.argv[2] ?? "table.cdb";

async function* records(): AsyncGenerator<[string, string]> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [key = "", value = ""] = line.split(" ", 2);
    yield [key, value];
  }
}

await writeCdb(file, records());
const table = Cdb.open(file);
for (const [key] of table.records()) process.stdout.write(encodeNetstring(key, "=", table.get(key) ?? ""));
table.close();
