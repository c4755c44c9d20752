import { expect, test } from "bun:test";
import { type Import, importPostfix } from "../../../src/core/cli/import-postfix.ts";
import { dotFileOf } from "../../../src/core/cli/import-postfix-addresses.ts";
import {
  aliasesIn,
  PostfixConfig,
  tableEntries,
  targetsIn,
} from "../../../src/core/cli/import-postfix-config.ts";
import { relayOf, rulesOf } from "../../../src/core/cli/import-postfix-network.ts";

const home = "/h";
const assign = `=joe:joe:1:1:/h/mail/joe:::
+joe-:joe:1:1:/h/mail/joe:-::
=alias:alias:1:1:/h/alias:::
+:alias:1:1:/h/alias:-::
.
`;

/** Imports from files that are given by their names; the home is that of joe at me.example. */
function imported(files: Readonly<Record<string, string>>, aliases?: string): Import {
  return importPostfix({
    read: (path) => files[path],
    directory: "/etc/postfix",
    aliases,
    home,
    host: "me.example",
    dotFile: (local) => dotFileOf(local, assign, () => undefined),
  });
}

/** What becomes of aliases: the files below alias/ and mail/, by their names, and what is missing. */
function ofAliases(text: string, files: Readonly<Record<string, string>> = {}) {
  const result = imported({ "/etc/postfix/main.cf": "", "/etc/aliases": text, ...files });
  const dotFiles = [...result.files].filter(([path]) => path.includes("/.qmail"));
  return {
    files: Object.fromEntries(dotFiles.map(([path, lines]) => [path.slice(3), lines])),
    missing: result.missing,
  };
}

/** What becomes of main.cf: the control files. */
function ofMain(main: string, files: Readonly<Record<string, string>> = {}) {
  const result = imported({ "/etc/postfix/main.cf": main, "/etc/aliases": "", ...files });
  const control = [...result.files].filter(([path]) => path.startsWith("/h/control/"));
  return { ...result, files: Object.fromEntries(control.map(([path, lines]) => [path.slice(11), lines])) };
}

/** main.cf, with § for $; a name and its value. */
const values: readonly (readonly [string, string, string])[] = [
  ["a = 1\nb = $a §{a} $(a) $$a", "b", "1 1 1 $a"],
  ["a = x,\n  y\n\tz\n# no\nb = 2", "a", "x, y z"],
  ["a = 1\na = 2", "a", "2"],
  ["a = $b\nb = $a", "a", ""],
  ["a =\nb = §{a?yes}§{a:no}", "b", "no"],
  ["a = 1\nb = §{a?yes}§{a:no}", "b", "yes"],
  ["a = 1\nb = §{a?{yes $a}:{no}} §{c?{yes}:{no}}", "b", "yes 1 no"],
  ["", "mydestination", "host.d.example, localhost.d.example, localhost"],
  ["myhostname = a.b.c.d", "mydomain", "b.c.d"],
  ["myhostname = b.c", "mydomain", "b.c"],
];
for (const [text, name, value] of values) {
  test(`${JSON.stringify(text)}: ${name} is ${value}`, () => {
    expect(new PostfixConfig(text.replaceAll("§", "$"), "host.d.example", "/etc/postfix").value(name)).toBe(
      value,
    );
  });
}

test("tables and alias files are read with their continuations, comments and quotes", () => {
  const table = '# c\na@b  c@d,\n  e\n\n"x y"@z w\n"x y" v\nlonely\n';
  expect(tableEntries(table)).toEqual([
    ["a@b", "c@d, e"],
    ["x y@z", "w"],
    ["x y", "v"],
    ["lonely", ""],
  ]);
  const bad: string[] = [];
  const aliases = aliasesIn('a: b,\n c # d\n"e f" : "|g \\"h, i\\"", j\nnone\n', (line) => bad.push(line));
  expect(aliases).toEqual([
    { name: "a", targets: ["b", "c # d"] },
    { name: "e f", targets: ['|g "h, i"', "j"] },
  ]);
  expect(bad).toEqual(["none"]);
  expect(targetsIn('"a b"@c, "d, e", , f\\,g')).toEqual(['"a b"@c', "d, e", "f\\,g"]);
});

/** An alias; the file it makes, and its lines. */
const aliases: readonly (readonly [string, string, string])[] = [
  ["a: b", "alias/.qmail-a", "&b\n"],
  ["A.B: c@d.e, F", "alias/.qmail-a:b", "&c@d.e\n&F\n"],
  ["joe: joe, \\joe, x@y", "mail/joe/.qmail", "./Maildir/\n&x@y\n"],
  ["joe: JOE@localhost", "mail/joe/.qmail", "./Maildir/\n"],
  ["joe-x: ann", "mail/joe/.qmail-x", "&ann\n"],
  ['a: "b c"@d', "alias/.qmail-a", "&b c@d\n"],
  ["a: |/bin/x -y z", "alias/.qmail-a", "|/h/bin/preline /bin/x -y z\n"],
  ["a: \"|x | y; z 'q'\"", "alias/.qmail-a", "|/h/bin/preline /bin/sh -c 'x | y; z '\\''q'\\'''\n"],
  ["a: /var/mail/a, /srv/a/", "alias/.qmail-a", "/var/mail/a\n/srv/a/\n"],
  ["a: /dev/null", "alias/.qmail-a", "# Mail to this address is thrown away.\n"],
  ["a: /dev/null, b", "alias/.qmail-a", "&b\n"],
  ["a: b, b", "alias/.qmail-a", "&b\n"],
  ["a: :include:/l", "alias/.qmail-a", "&x\n&y@z\n&v\n"],
];
for (const [alias, path, lines] of aliases) {
  test(`alias ${alias}`, () => {
    const files = { "/l": "x, y@z\n# none\n:include:/m\n", "/m": "v # the last\n" };
    expect(ofAliases(`${alias}\n`, files)).toEqual({ files: { [path]: lines }, missing: [] });
  });
}

test("an owner of a list is one here, too", () => {
  expect(ofAliases("owner-l: joe").files).toEqual({
    "alias/.qmail-owner-l": "&joe\n",
    "alias/.qmail-l-owner": "&joe\n",
  });
});

/** Aliases of which nothing remains, and what is said. */
const lost: readonly (readonly [string, string])[] = [
  ["a: a", "alias a: a, which is the address itself: it has no mailbox in this home"],
  ["a: :include:/none", "alias a: :include:/none, which can not be read"],
  ["a: :fail:x", "alias a: :fail:x"],
  ["a: @b", "alias a: @b"],
  ["a/../b: c", "alias a/../b: this can not be an address here"],
  ["a:", "alias a: it has no target"],
  ["a: :include:/loop", "alias a: :include:/loop, which can not be read"],
  ["a: :include:/run", "alias a: |x in an included file, where Postfix does not allow it"],
];
for (const [alias, said] of lost) {
  test(`alias ${alias} can not be translated`, () => {
    const found = ofAliases(`${alias}\n`, { "/loop": ":include:/loop\n", "/run": "|x\n" });
    expect(found).toEqual({ files: {}, missing: [said] });
  });
}

test("a bare target gets the origin where that is not local", () => {
  const files = { "/etc/postfix/main.cf": "myorigin = /etc/mailname\n", "/etc/mailname": "Far.Example\n" };
  const found = ofAliases("a: b\nb: a@me.example\n", files).files;
  expect(found).toEqual({ "alias/.qmail-a": "&b@far.example\n", "alias/.qmail-b": "&a@me.example\n" });
});

/** A table of virtual aliases; a .qmail file that it makes, its lines, and virtualdomains. */
const virtual: readonly (readonly [string, string, string, string | undefined])[] = [
  [
    "v.example x\na@v.example b c@d",
    "alias/.qmail-alias-v:example-a",
    "&b\n&c@d\n",
    "v.example:alias-v.example\n",
  ],
  [
    "v.example x\n@v.example b",
    "alias/.qmail-alias-v:example-default",
    "&b\n",
    "v.example:alias-v.example\n",
  ],
  [
    "v.example x\n@v.example @w.example",
    "alias/.qmail-alias-v:example-default",
    '|/h/bin/forward "$DEFAULT"@w.example\n',
    "v.example:alias-v.example\n",
  ],
  [
    "a@far.example @w.example",
    "alias/.qmail-alias-far:example-a",
    "&a@w.example\n",
    "a@far.example:alias-far.example\n",
  ],
  ["a@me.example b", "alias/.qmail-a", "&b\n", undefined],
  ["john.doe b", "alias/.qmail-john:doe", "&b\n", undefined],
  ["@me.example b", "alias/.qmail-default", "&b\n", undefined],
];
for (const [table, path, lines, domains] of virtual) {
  test(`virtual ${JSON.stringify(table)}`, () => {
    const main = "virtual_alias_maps = hash:/v\nmydestination = me.example\n";
    const { files, missing } = imported({ "/etc/postfix/main.cf": main, "/v": table, "/etc/aliases": "" });
    expect(files.get(`/h/${path}`)).toBe(lines);
    expect(files.get("/h/control/virtualdomains")).toBe(domains);
    expect(missing).toEqual([]);
    const isDeclared = table.startsWith("v.example");
    expect(files.get("/h/control/rcpthosts")?.includes("v.example\n")).toBe(isDeclared);
  });
}

test("no virtual address runs a program or writes to a file, and none leads to itself", () => {
  const table = "v.example x\na@v.example |x\nb@v.example /y\nc@v.example C@v.example\n";
  const main = "virtual_alias_maps = hash:/v\n";
  const { files, missing } = imported({ "/etc/postfix/main.cf": main, "/v": table, "/etc/aliases": "" });
  expect([...files.keys()].filter((path) => path.includes(".qmail"))).toEqual([]);
  expect(missing).toEqual([
    "virtual a@v.example: |x, which is no address",
    "virtual b@v.example: /y, which is no address",
    "virtual c@v.example: C@v.example, which is the address itself",
  ]);
});

test("who is caught by luser_relay is not caught in virtual domains", () => {
  const main = "luser_relay = joe\nvirtual_alias_domains = v.example\n";
  const { files } = imported({ "/etc/postfix/main.cf": main, "/etc/aliases": "" });
  expect(files.get("/h/alias/.qmail-default")).toBe("&joe\n");
  expect(files.get("/h/alias/.qmail-alias-v:example-default")).toStartWith("|/h/bin/bouncesaying ");
});

test("where users/assign says nothing, accounts do; what is a user's own is not written", () => {
  const accounts = (local: string) =>
    local.startsWith("bob")
      ? { directory: "/home/bob", dash: local === "bob" ? "" : "-", extension: local.slice(4) }
      : { directory: "/h/alias", dash: "-", extension: local };
  expect(dotFileOf("bob", "", accounts)).toEqual({ path: "/home/bob/.qmail", isMailbox: true });
  expect(dotFileOf("Bob.x", "", () => undefined)).toBeUndefined();
  const { files, missing } = importPostfix({
    read: (path) =>
      ({ "/etc/postfix/main.cf": "", "/etc/aliases": "bob: bob, x@y\nbob-l: z\nq: bob\n" })[path],
    directory: "/etc/postfix",
    home,
    host: "me.example",
    dotFile: (local) => dotFileOf(local, "", accounts),
  });
  expect([...files].filter(([path]) => path.includes(".qmail"))).toEqual([["/h/alias/.qmail-q", "&bob\n"]]);
  expect(missing).toEqual([
    "alias bob: this is for /home/bob/.qmail, which is a user's own: ./Maildir/ &x@y",
    "alias bob-l: this is for /home/bob/.qmail-l, which is a user's own: &z",
  ]);
});

/** Lines of main.cf, a control file, and what is in it. */
const settings: readonly (readonly [string, string, string | undefined])[] = [
  ["mydestination = A.b, hash:/t /w", "locals", "a.b\nt.example\nw.example\nme.example\n"],
  [
    "relay_domains = r.example",
    "rcpthosts",
    "me.example\nlocalhost.me.example\nlocalhost\nr.example\n.r.example\n",
  ],
  ["myhostname = X.y", "me", "x.y\n"],
  ["mydomain = y.z", "defaultdomain", "y.z\n"],
  ["myorigin = o.z", "envnoathost", "o.z\n"],
  ["message_size_limit = 1000", "databytes", "1000\n"],
  ["", "databytes", undefined],
  ["relayhost = [r.z]:submission", "smtproutes", ":r.z:587\n"],
  ["relayhost = 192.0.2.1", "smtproutes", ":192.0.2.1\n"],
  ["relayhost = [r.z]\ntransport_maps = hash:/x", "smtproutes", "a.b:\n.c.d:[2001:db8::1]:25\n:all.z\n"],
];
for (const [main, name, content] of settings) {
  test(`${JSON.stringify(main)} makes ${name}`, () => {
    const files = {
      "/t": "t.example anything\n",
      "/w": "# words\nw.example\n",
      "/x": "a.b smtp:\n.c.d relay:[ipv6:2001:DB8::1]:25\n* :[all.z]\n",
    };
    expect(ofMain(`${main}\n`, files).files[name]).toBe(content as string);
  });
}

/** Networks, and the beginnings of addresses in their rules; undefined: said to be missing. */
const networks: readonly (readonly [string, string | undefined])[] = [
  ["10.0.0.0/8", '10.:allow,RELAYCLIENT=""'],
  ["192.0.2.1", '192.0.2.1:allow,RELAYCLIENT=""'],
  ["192.0.2.0/25", '192.0.2.0-127:allow,RELAYCLIENT=""'],
  ["172.16.0.0/12", '172.16-31.:allow,RELAYCLIENT=""'],
  ["!192.0.2.1", "192.0.2.1:allow"],
  ["[::1]/128", '::1:allow,RELAYCLIENT=""'],
  ["[::ffff:127.0.0.0]/104", '127.:allow,RELAYCLIENT=""'],
  ["[2001:DB8:1::]/48", '2001:db8:1::allow,RELAYCLIENT=""'],
  ["[fe80::]/64", undefined],
  ["[2001:db8::]/33", undefined],
  ["0.0.0.0/0", undefined],
  ["[::]/0", undefined],
  ["[::ffff:0.0.0.0]/96", undefined],
  ["10.0.0.0/33", undefined],
  ["hash:/x", undefined],
];
for (const [network, rule] of networks) {
  test(`network ${network}`, () => {
    const missing: string[] = [];
    const rules = rulesOf([network], { missing: (text) => missing.push(text), remark: () => {} });
    expect(rules).toEqual(rule === undefined ? [":allow"] : [rule, ":allow"]);
    expect(missing).toEqual(rule === undefined ? [`mynetworks: ${network}`] : []);
  });
}

test("what is no next hop is none; a name without brackets is remarked on", () => {
  const remarks: string[] = [];
  const notes = { missing: () => {}, remark: (text: string) => remarks.push(text) };
  for (const wrong of ["", "[a", "a:b:c", "[a]:nothing", "a]:25"])
    expect(relayOf(wrong, notes)).toBeUndefined();
  expect(remarks).toEqual([]);
  expect(relayOf("a.b", notes)).toBe("a.b");
  expect(remarks).toEqual(["mail for a.b goes to the host of that name; Postfix would look up its MX"]);
});

test("settings that decide about mail are named, each with its value; usual ones are not", () => {
  const main = `header_checks = regexp:/x
smtpd_milters = inet:localhost:1
smtpd_sasl_auth_enable = yes
virtual_mailbox_domains = v.example
recipient_delimiter = -
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
biff = no
bounce_queue_lifetime = 1d
`;
  const { missing, remarks } = ofMain(main);
  expect(missing).toEqual([
    "header_checks = regexp:/x",
    "smtpd_milters = inet:localhost:1",
    "smtpd_sasl_auth_enable = yes",
    "virtual_mailbox_domains = v.example",
  ]);
  expect(remarks).toContain("settings that were not looked at: bounce_queue_lifetime");
});
