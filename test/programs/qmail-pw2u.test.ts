/** qmail-pw2u with odd input; what it does with good input is in test/conformance. */
import { expect, test } from "bun:test";
import { run, Scratch } from "../helpers/built.ts";

const alias = "alias:x:7790:7790::/:/bin/sh\n";
const noHome = "nobody:x:99:99:::/bin/false\n";

test("a user without a home gets no mail, and the others do", async () => {
  using home = new Scratch();
  const how = { stdin: Buffer.from(`${noHome}root:x:0:0::/root:/bin/sh\n`), env: { QMAILHOME: home.path } };
  expect(await run("qmail-pw2u", how)).toMatchObject({
    code: 111,
    stderr: "qmail-pw2u: fatal: unable to find alias user\n",
  });
  expect(await run("qmail-pw2u", { ...how, args: ["-h"] })).toMatchObject({
    code: 111,
    stderr: "qmail-pw2u: fatal: unable to stat \n",
  });
});

test("output up to a failure: a last line without line feed is behind it", async () => {
  using home = new Scratch();
  const lines = (last: string) => Buffer.from(`joe:x:5:5::/joe:/bin/sh\nann:x:6:6::/ann:/bin/sh${last}`);
  const convert = (last: string) =>
    run("qmail-pw2u", { stdin: lines(last), args: ["-HC"], env: { QMAILHOME: home.path } });
  expect((await convert("\n")).stdout).toBe("=joe:joe:5:5:/joe:::\n=ann:ann:6:6:/ann:::\n");
  expect((await convert("")).stdout).toBe("=joe:joe:5:5:/joe:::\n");
});

test("a last line without line feed counts", async () => {
  using home = new Scratch();
  const stdin = Buffer.from(alias.trimEnd());
  const { code, stdout } = await run("qmail-pw2u", { stdin, args: ["-HC"], env: { QMAILHOME: home.path } });
  expect([code, stdout]).toEqual([0, "+:alias:7790:7790:/:-::\n=alias:alias:7790:7790:/:::\n.\n"]);
});
