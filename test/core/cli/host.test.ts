/** Names of mail hosts. */
import { expect, test } from "bun:test";
import { checkedHost, controlFiles, defaultHost, isHostName } from "../../../src/core/cli/host.ts";

const label63 = "a".repeat(63);
const names: readonly (readonly [string, boolean])[] = [
  ["mail.example.org", true],
  ["MAIL.Example.ORG", true],
  ["localhost", true],
  ["a-b.c_d.e", true],
  [`${label63}.org`, true],
  [`${label63}a.org`, false],
  [[label63, label63, label63, "a".repeat(61)].join("."), true],
  [[label63, label63, label63, "a".repeat(62)].join("."), false],
  ["", false],
  ["a..b", false],
  [".a", false],
  ["a.", false],
  ["-a.b", false],
  ["a-.b", false],
  ["a b.c", false],
  ["a\n.b", false],
  ["mail@example.org", false],
  ["bücher.example", false],
];
for (const [name, fine] of names)
  test(`${JSON.stringify(name).slice(0, 40)} ${fine ? "is" : "is not"} a host name`, () => {
    expect(isHostName(name)).toBe(fine);
  });

test("an address is not a host name", () => {
  expect(() => checkedHost("10.0.0.1")).toThrow("not a host name");
  expect(checkedHost("Mail.EXAMPLE.org")).toBe("mail.example.org");
});

const machines: readonly (readonly [machine: string, hosts: string, expected: string])[] = [
  ["mail.example.org", "", "mail.example.org"],
  ["Box", "10.0.0.5 box.example.org box\n", "box.example.org"],
  ["box", "10.0.0.5 box box.example.org # main\n", "box.example.org"],
  [
    "box",
    "10.0.0.5 other.example.org other\n127.0.0.1 localhost.localdomain localhost box\n",
    "box.localdomain",
  ],
  ["box", "# 10.0.0.5 box.example.org box\n", "box.localdomain"],
  ["box", "10.0.0.5 boxer.example.org box\n", "box.localdomain"],
  ["", "", "localhost.localdomain"],
  ["(none)", "", "localhost.localdomain"],
  ["10.0.0.1", "", "localhost.localdomain"],
];
for (const [machine, hosts, expected] of machines)
  test(`machine "${machine}" with ${JSON.stringify(hosts).slice(0, 40)} is ${expected}`, () => {
    expect(defaultHost(machine, hosts)).toBe(expected);
  });

const domains: readonly (readonly [host: string, defaultdomain: string, plusdomain: string])[] = [
  ["a.b.c.org", "b.c.org", "c.org"],
  ["mail.example.org", "example.org", "example.org"],
  ["example.org", "example.org", "example.org"],
  ["localhost", "localhost", "localhost"],
];
for (const [host, defaultdomain, plusdomain] of domains)
  test(`the domains of ${host}`, () => {
    expect(controlFiles(host)).toEqual({
      me: `${host}\n`,
      defaultdomain: `${defaultdomain}\n`,
      plusdomain: `${plusdomain}\n`,
      locals: `${host}\nlocalhost\n`,
      rcpthosts: `${host}\nlocalhost\n`,
    });
  });
