/** What `qmail check` says about lines of control files, and that it knows every file of qmail-control(5). */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { syntaxes } from "../../../../src/core/cli/check/syntax.ts";

const right: readonly (readonly [file: string, line: string])[] = [
  ["badmailfrom", "joe@example.com"],
  ["badmailfrom", "@example.com"],
  ["bouncefrom", "MAILER-DAEMON"],
  ["concurrencylocal", "10"],
  ["databytes", "0"],
  ["defaultdomain", "example.org"],
  ["locals", "localhost"],
  ["locals", "b\xc3\xbccher.example"],
  ["me", "mail.example.org"],
  ["morercpthosts", ".example.org"],
  ["qmqpservers", "192.0.2.1"],
  ["qmqpservers", "192.0.2.1:628"],
  ["qmqpservers", "2001:db8::1"],
  ["rcpthosts", "example.org"],
  ["rcpthosts", ".example.org"],
  ["smtpextensions", "SIZE"],
  ["smtpgreeting", "mail.example.org at your service"],
  ["smtproutes", ":relay.example.net"],
  ["smtproutes", ":[192.0.2.1]:2525"],
  ["smtproutes", "example.com:"],
  ["smtproutes", ".example.com:relay.example.net:26"],
  ["smtproutes", "example.com:[IPv6:2001:db8::1]:26"],
  ["virtualdomains", "example.com:ann"],
  ["virtualdomains", "ann@example.com:joe"],
  ["virtualdomains", ".example.com:"],
  ["virtualdomains", ":everything-else"],
];

const wrong: readonly (readonly [file: string, line: string, what: string])[] = [
  ["badmailfrom", "example.com", "has no @"],
  ["bouncefrom", "two words", "is more than one word"],
  ["concurrencyremote", "twenty", "is no number"],
  ["concurrencyremote", "20 or so", "has more than a number"],
  ["timeoutsmtpd", "-1", "is no number"],
  ["helohost", "my host", "is no host name"],
  ["locals", "ann@example.org", "is no host name"],
  ["locals", "*.example.org", "is no host name"],
  ["locals", ".example.org", "is no host name"],
  ["me", "-", "is no host name"],
  ["qmqpservers", "relay.example.net", "is no IP address"],
  ["qmqpservers", "192.0.2.1:99999", 'has port "99999"'],
  ["rcpthosts", "example.org example.com", "is no host name"],
  ["smtproutes", "relay.example.net", "has no colon"],
  ["smtproutes", ":relay.example.net:smtp", 'has port "smtp"'],
  ["smtproutes", ":relay.example.net:", 'has port ""'],
  ["smtproutes", "exa mple.com:relay.example.net", "is no host name"],
  ["virtualdomains", "example.com", "has no colon"],
  ["virtualdomains", "example..com:ann", "is no host name"],
];

test.each(right)("%s may hold %s", (file, line) => {
  expect(syntaxes.get(file)?.rule(line)).toBeUndefined();
});

test.each(wrong)("%s may not hold %s: %s", (file, line, what) => {
  expect(syntaxes.get(file)?.rule(line)).toContain(what);
});

test("every control file of the manual is known, and those that are known are in the manual", () => {
  const page = readFileSync(join(import.meta.dir, "../../../../man/qmail-control.5"), "utf8");
  const rows = [...page.matchAll(/^\.It Pa (\S+) Ta .* Ta (value|number|list|made)$/gm)];
  const named = rows.filter(([, , kind]) => kind !== "made").map(([, name]) => name ?? "");
  expect(named.sort()).toEqual([...syntaxes.keys()].sort());
  const kinds = { value: "text", number: "number", list: "list" } as Record<string, string>;
  for (const [, name = "", kind = ""] of rows)
    if (kind !== "made") expect([name, syntaxes.get(name)?.kind]).toEqual([name, kinds[kind]]);
});
