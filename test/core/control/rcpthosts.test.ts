/** Which recipients anybody may send mail to. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { CdbDamaged } from "../../../src/core/control/cdbfile.ts";
import { CdbReplacement } from "../../../src/core/control/cdbreplacement.ts";
import { RcptHosts } from "../../../src/core/control/rcpthosts.ts";
import { Scratch } from "../../helpers/built.ts";
import { cdbLookUp } from "../../helpers/cdb.ts";

const home = process.env.QMAILHOME;
let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
  process.env.QMAILHOME = scratch.path;
});
afterEach(() => {
  scratch[Symbol.dispose]();
  if (home === undefined) delete process.env.QMAILHOME;
  else process.env.QMAILHOME = home;
});

/** Makes control/morercpthosts.cdb. */
function more(...names: string[]): void {
  mkdirSync(scratch.in("control"), { recursive: true });
  const cdb = new CdbReplacement(scratch.in("control", "tmp"));
  for (const name of names) cdb.add(Buffer.from(name), Buffer.alloc(0));
  cdb.finish();
  cdb.moveTo(scratch.in("control", "morercpthosts.cdb"));
  expect(cdbLookUp(scratch.in("control", "morercpthosts.cdb"), Buffer.from(names[0] ?? ""))).toBeDefined();
}

const allows = (hosts: RcptHosts, ...addresses: string[]): string =>
  addresses.map((address) => (hosts.allows(Buffer.from(address, "latin1")) ? "y" : "n")).join("");

test("without rcpthosts everybody may send anywhere", () => {
  more("m.dom");
  expect(allows(new RcptHosts(), "a@b", "a", "")).toBe("yyy");
});

test("hosts and domains, in any case; the last @ counts", () => {
  scratch.write("control/rcpthosts", "# x\nA.dom \n.wild\n");
  const hosts = new RcptHosts();
  expect(allows(hosts, "j@a.DOM", "j@b.a.dom", "j@wild", "j@x.wild", "j@y.x.wild", "j@.wild")).toBe("ynnyyy");
  expect(allows(hosts, "j", "", "j@", "a.dom@b", "j@b@a.dom", "j@# x", "j@a.dom.")).toBe("yynnynn");
});

test("an empty list allows no host", () => {
  scratch.write("control/rcpthosts", "");
  expect(allows(new RcptHosts(), "a@b", "a")).toBe("ny");
});

test("morercpthosts.cdb counts as well", () => {
  scratch.write("control/rcpthosts", "a.dom\n");
  more("m.dom", ".more");
  const hosts = new RcptHosts();
  expect(allows(hosts, "j@M.dom", "j@x.m.dom", "j@x.More", "j@more", "j@a.dom")).toBe("ynyny");
  hosts.close();
});

test("a damaged database is an error, not a refusal", () => {
  scratch.write("control/rcpthosts", "a.dom\n");
  scratch.write("control/morercpthosts.cdb", "short");
  const hosts = new RcptHosts();
  expect(allows(hosts, "j@a.dom")).toBe("y");
  expect(() => allows(hosts, "j@b.dom")).toThrow(CdbDamaged);
});

test("a list that cannot be read is an error", () => {
  mkdirSync(scratch.in("control", "rcpthosts"), { recursive: true });
  expect(() => new RcptHosts()).toThrow("EISDIR");
});
