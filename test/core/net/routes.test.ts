/** control/smtproutes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { routeFor } from "../../../src/core/net/routes.ts";
import { Scratch } from "../../helpers/built.ts";

const scratch = new Scratch();
const inherited = process.env.QMAILHOME;
beforeAll(() => {
  process.env.QMAILHOME = scratch.path;
});
afterAll(() => {
  if (inherited === undefined) delete process.env.QMAILHOME;
  else process.env.QMAILHOME = inherited;
  scratch[Symbol.dispose]();
});

const rows: readonly (readonly [string, string, string | undefined])[] = [
  ["", "a.b", undefined],
  ["a.b:relay", "a.b", "relay"],
  ["A.b:Relay:26  ", "a.B", "Relay 26"],
  ["b:relay", "a.b", undefined],
  [".b:relay", "a.b", "relay"],
  [".b:relay", "b", undefined],
  [".b:one\n.a.b:two\n:three", "x.a.b", "two"],
  [".b:one\n.a.b:two\n:three", "c", "three"],
  ["a.b:\n:three", "a.b", undefined],
  ["a.b:one\na.b:two", "a.b", "two"],
  ["# a.b:one\nno colon\na.b:r:", "a.b", "r 0"],
  ["a.b:r:25x", "a.b", "r 25"],
  ["a.b:r:x25", "a.b", "r 0"],
  ["a.b:[1.2.3.4]:26", "a.b", "[1.2.3.4] 26"],
  ["a.b:[2001:db8::1]", "a.b", "[2001:db8::1]"],
  ["a.b:[2001:db8::1]:26", "a.b", "[2001:db8::1] 26"],
  ["a.b:[IPv6:::1]:26", "a.b", "[IPv6:::1] 26"],
  ["a.b:[::x]:26", "a.b", "[ 0"],
];
for (const [file, host, route] of rows)
  test(`${JSON.stringify(file)}, ${host}: ${route ?? "none"}`, () => {
    scratch.write("control/smtproutes", file);
    const found = routeFor(Buffer.from(host), "smtproutes");
    const text =
      found && [found.host.toString(), ...(found.port === undefined ? [] : [found.port])].join(" ");
    expect(text).toBe(route);
  });
