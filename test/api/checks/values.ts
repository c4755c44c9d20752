/** Addresses, netstrings and cdb files. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AddressError,
  formatAddress,
  formatField,
  type Hosts,
  parseAddresses,
  quoteAddress,
} from "qmail-ts/address";
import { Cdb, CdbError, type CdbRecord, writeCdb } from "qmail-ts/cdb";
import { decodeNetstrings, encodeNetstring, NetstringDecoder, NetstringError } from "qmail-ts/netstring";
import { failureOf, type Row } from "./row.js";

const string = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

const hosts = { defaultHost: "dh", defaultDomain: "dd.example", plusDomain: "plus" };

/** A list; its addresses as `address|name|group`. */
const lists: readonly (readonly [string, Hosts, readonly string[]])[] = [
  ["joe@example.org", {}, ["joe@example.org||"]],
  [
    "Joe B. <joe@example.org>, ann@example.org (Ann)",
    {},
    ["joe@example.org|Joe B.|", "ann@example.org|Ann|"],
  ],
  ['"B, Joe" <joe@example.org> ann', {}, ["joe@example.org|B, Joe|", "ann||"]],
  ["friends: joe, Ann <ann@x>;, bob", {}, ["joe||friends", "ann@x|Ann|friends", "bob||"]],
  ["<>", {}, ["||"]],
  ["<@relay,@other:joe@h>", hosts, ["joe@h.dd.example||"]],
  ['"joe b"@h', {}, ["joe b@h||"]],
  ["J\u00f6rg <j\u00f6rg@h>", {}, ["j\u00f6rg@h|J\u00f6rg|"]],
  [
    "joe, joe@h, joe@h.d, joe@h+",
    hosts,
    ["joe@dh.dd.example||", "joe@h.dd.example||", "joe@h.d||", "joe@h.plus||"],
  ],
  ["joe, joe@h+", { defaultDomain: "dd" }, ["joe||", "joe@h+||"]],
  ["joe@[1.2.3.4]", hosts, ["joe@[1.2.3.4]||"]],
  ["", {}, []],
];

const noLists = ["(a", '"a', "a: b", ")"];

const formats: readonly (readonly [string, string, string])[] = [
  ["joe@h", "", "joe@h"],
  ["joe@h", "Joe B", "Joe B <joe@h>"],
  ["joe@h", "Joe B.", '"Joe B." <joe@h>'],
  ["joe b@h", 'a"b\\c', '"a\\"b\\\\c" <"joe b"@h>'],
  ["", "Nobody", "Nobody <>"],
  ["j\u00f6rg@h", "J\u00f6rg", '"J\u00f6rg" <"j\u00f6rg"@h>'],
];

const addresses: readonly Row[] = [
  ...lists.map(
    ([list, given, expected]): Row => [
      `list ${JSON.stringify(list)}`,
      () => {
        const found = parseAddresses(list, given);
        assert.deepEqual(
          found.map(({ address, name, group = "" }) => `${address}|${name}|${group}`),
          expected,
        );
      },
    ],
  ),
  ...noLists.map(
    (list): Row => [`${list} is no list`, () => assert.throws(() => parseAddresses(list), AddressError)],
  ),
  ...formats.map(
    ([address, name, expected]): Row => [
      `${expected} is written, and read again`,
      () => {
        assert.equal(formatAddress({ address, name }), expected);
        assert.deepEqual(parseAddresses(expected), [{ address, name }]);
      },
    ],
  ),
  [
    "a field is folded behind commas, and reads as it was",
    () => {
      const mailboxes = Array.from({ length: 20 }, (_, index) => ({
        address: `box${index}@example.org`,
        name: `No. ${index}`,
      }));
      const field = formatField("To", mailboxes);
      assert.ok(field.startsWith('To: "No. 0" <box0@example.org>, ') && field.endsWith("\n"));
      assert.ok(field.split("\n").every((line) => line.length <= 80));
      assert.deepEqual(parseAddresses(field.slice(3)), mailboxes);
    },
  ],
  [
    "a line end gets into no header",
    () => {
      for (const wrong of ["x\nBcc: y@z", "x\r", "x\0"]) {
        assert.throws(() => formatAddress({ address: "a@b", name: wrong }), AddressError);
        assert.throws(() => formatAddress({ address: wrong }), AddressError);
        assert.throws(() => quoteAddress(wrong), AddressError);
        assert.throws(() => formatField(wrong, []), AddressError);
      }
    },
  ],
];

const netstrings: readonly Row[] = [
  [
    "netstrings come out as they went in, whatever the pieces",
    () => {
      const contents = ["", "a", "1:x,", "\u00e9".repeat(1000)];
      const wire = Buffer.concat(contents.map((content) => encodeNetstring(content)));
      assert.deepEqual(decodeNetstrings(wire).map(string), contents);
      for (const size of [1, 2, 3, 7, 1000]) {
        const decoder = new NetstringDecoder(2000);
        const found: (string | undefined)[] = [];
        for (let start = 0; start < wire.length; start += size)
          found.push(...decoder.push(wire.subarray(start, start + size)).map(string));
        decoder.end();
        assert.deepEqual(found, contents);
      }
      assert.equal(string(encodeNetstring("a", Buffer.from("bc"))), "3:abc,");
    },
  ],
  [
    "what is none, is cut short or is too long is refused",
    () => {
      for (const wrong of ["x", "1:ab", "1:a;", ":,", "99999999999:", "1:a,1:"])
        assert.throws(() => decodeNetstrings(Buffer.from(wrong)), NetstringError);
      const decoder = new NetstringDecoder(3);
      assert.deepEqual(decoder.push(Buffer.from("3:abc,")).map(string), ["abc"]);
      assert.throws(() => decoder.push(Buffer.from("4:")), NetstringError);
    },
  ],
];

async function* slowly(records: readonly CdbRecord[]) {
  for (const record of records) yield record;
}

const databases: readonly Row[] = [
  [
    "a cdb has what was written, in order, also twice the same key",
    async (scratch) => {
      const path = join(scratch, "cdb");
      const records = Array.from(
        { length: 5000 },
        (_, index): CdbRecord => [`key${index % 4999}`, `data${index}`],
      );
      await writeCdb(path, slowly(records), { mode: 0o600 });
      const file = Cdb.open(path);
      assert.equal(string(file.get("key1234")), "data1234");
      assert.deepEqual(file.getAll("key0").map(string), ["data0", "data4999"]);
      assert.equal(file.get("none"), undefined);
      assert.deepEqual(
        [...file.records()].map((record) => record.map(string)),
        records,
      );
      file.close();
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.deepEqual(readdirSync(scratch), ["cdb"]);
    },
  ],
  [
    "who has it open keeps the old one; the next gets the new one",
    async (scratch) => {
      const path = join(scratch, "cdb");
      await writeCdb(path, [["a", "old"]]);
      const old = Cdb.open(path);
      await writeCdb(path, new Map([["a", Buffer.from("new")]]));
      const fresh = Cdb.open(path);
      assert.deepEqual([string(old.get("a")), string(fresh.get("a"))], ["old", "new"]);
      for (const file of [old, fresh]) file.close();
    },
  ],
  [
    "when the records break off, the old file stays and nothing else",
    async (scratch) => {
      const path = join(scratch, "cdb");
      await writeCdb(path, [["a", "old"]]);
      const before = readFileSync(path);
      const broken = (function* (): Generator<CdbRecord> {
        yield ["a", "new"];
        throw new Error("the source broke");
      })();
      assert.match(String(await failureOf(writeCdb(path, broken))), /the source broke/);
      assert.ok(readFileSync(path).equals(before));
      assert.deepEqual(readdirSync(scratch), ["cdb"]);
    },
  ],
  [
    "a file that is no cdb, or cut short, is refused; an empty cdb has nothing",
    async (scratch) => {
      const path = join(scratch, "cdb");
      await writeCdb(path, []);
      const empty = Cdb.open(path);
      assert.deepEqual([empty.get(""), [...empty.records()]], [undefined, []]);
      empty.close();
      await writeCdb(path, [["a", "b"]]);
      truncateSync(path, 2055);
      for (const content of [readFileSync(path), "no cdb"]) {
        writeFileSync(path, content);
        const file = Cdb.open(path);
        assert.throws(() => file.get("a"), CdbError);
        assert.throws(() => [...file.records()], CdbError);
        file.close();
      }
      assert.throws(() => Cdb.open(join(scratch, "none")), /ENOENT/);
    },
  ],
];

export const rows: readonly Row[] = [...addresses, ...netstrings, ...databases];
