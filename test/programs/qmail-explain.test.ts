/** `qmail explain` as people and programs meet it; that it is right about deliveries, test/scenarios/explain shows. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { Scratch } from "../helpers/built.ts";
import { type Home, makeHome, startHome } from "../scenarios/home.ts";

setDefaultTimeout(900_000);

let home: Home;
beforeAll(async () => {
  home = await makeHome({ users: ["ann", "joe"] });
  writeFileSync(home.at("control/virtualdomains"), ".virt.example:joe\n");
  writeFileSync(home.at("control/smtproutes"), "routed.example:192.0.2.9:2525\nmine.example:[127.0.0.1]\n");
  writeFileSync(home.at("control/qmtproutes"), "fast.example:192.0.2.8\n");
  for (const [name, text] of [
    ["list", "# members\n\n&joe\nsue@routed.example\n+list\n+other\n"],
    ["list-owner", "&ann\n"],
    ["ring", "&ann-ring\n"],
    ["escape", "&\x1b[31m@routed.example\n"],
  ] as const)
    writeFileSync(home.at("mail/ann", `.qmail-${name}`), text);
});
afterAll(() => home.dispose());

const explain = (...args: string[]) => home.run("qmail", ["explain", ...args]);

describe("qmail explain", () => {
  test("a list, line by line, with where its members are", async () => {
    const { code, stdout, stderr } = await explain("--from", "eve@far.example", "ann-list@mail.example");
    expect([code, stderr]).toEqual([0, ""]);
    const path = home.at("mail/joe");
    const { uid, gid } = { uid: process.getuid?.(), gid: process.getgid?.() };
    expect(stdout).toBe(`ann-list@mail.example
  rcpthosts       taken from strangers by SMTP
  locals          mail.example is local
  users/cdb       user ann, uid ${uid}, gid ${gid}, dash "-", ext "list"
  home            ${home.at("mail/ann")}
  file            .qmail-list
  new sender      ann-list-owner@mail.example
  line 1          comment # members
  line 2          blank
  line 3          forward to joe
      joe
        envnoathost     becomes joe@mail.example
        locals          mail.example is local
        users/cdb       user joe, uid ${uid}, gid ${gid}
        home            ${path}
        not there       .qmail, .qmaildefault
        default         maildir ${path}/Maildir/
        =>              delivered
  line 4          forward to sue@routed.example
      sue@routed.example
        remote          neither locals nor virtualdomains has it
        smtproutes      routed.example goes to 192.0.2.9, by SMTP
        address         192.0.2.9 port 2525
        =>              sent
  line 5          +list: from here on only forwards are allowed
  line 6          +other means nothing
  =>              delivered
`);
  });

  const rows: readonly (readonly [about: string, args: readonly string[], code: number, words: string])[] = [
    [
      "nobody bounces",
      ["nobody@mail.example"],
      100,
      "=>              bounced: Sorry, no mailbox here by that name. (#5.1.1)",
    ],
    [
      "a ring is a loop, but not for its first round",
      ["ann-ring@mail.example"],
      0,
      "        =>              bounced: This message is looping: it already has my Delivered-To line. (#5.4.6)",
    ],
    [
      "QMTP has its routes",
      ["x@fast.example"],
      0,
      "qmtproutes      fast.example goes to 192.0.2.8, by QMTP\n  address         192.0.2.8 port 209",
    ],
    [
      "an address in brackets needs no name server",
      ["x@[192.0.2.3]"],
      0,
      "address         192.0.2.3 port 25, preference 0",
    ],
    [
      "our own address is not another host",
      ["x@[127.0.0.1]"],
      100,
      "bounced: Sorry. Although I'm listed as a best-preference MX",
    ],
    ["a wildcard", ["info@a.virt.example"], 100, ".virt.example:joe makes it joe-info@a.virt.example, local"],
    [
      "what is deferred counts more than what bounces",
      ["--default", "", "nobody@mail.example", "joe@mail.example"],
      111,
      "first line of .qmail file is blank",
    ],
    ["control sequences are named", ["ann-escape@mail.example"], 0, "forward to \\x1b[31m@routed.example"],
  ];
  for (const [about, args, code, words] of rows)
    test(about, async () => {
      const { code: found, stdout, stderr } = await explain(...args);
      expect([found, stderr]).toEqual([code, ""]);
      expect(stdout).toContain(words);
      expect(stdout).not.toContain("\x1b");
    });

  test("a home whose owner edits a .qmail file defers, and one that others may write in", async () => {
    for (const [mode, words] of [
      [0o1755, "Home directory is sticky: user is editing his .qmail file. (#4.2.1)"],
      [0o757, "Uh-oh: home directory is writable. (#4.7.0)"],
    ] as const) {
      chmodSync(home.at("mail/joe"), mode);
      const { code, stdout } = await explain("--json", "joe@mail.example");
      expect([code, JSON.parse(stdout)]).toMatchObject([111, { outcome: "deferred", report: words }]);
    }
    chmodSync(home.at("mail/joe"), 0o755);
  });

  test("the default delivery is that of the daemon that runs; what it read before it changed is told", async () => {
    expect(JSON.parse((await explain("--json", "joe")).stdout)).toMatchObject({
      default: { text: "./Maildir/", source: "rc" },
      warnings: [],
    });
    const script = home.at("rc");
    // When a process started is known to the second only.
    const before = new Date(Date.now() - 60_000);
    for (const name of readdirSync(home.at("control"))) utimesSync(home.at("control", name), before, before);
    const running = await startHome(home);
    try {
      writeFileSync(script, "#!/bin/sh\n");
      const later = new Date(Date.now() + 60_000);
      for (const name of ["virtualdomains", "me"]) utimesSync(home.at("control", name), later, later);
      const { stdout } = await explain("--json", "joe");
      expect(JSON.parse(stdout)).toMatchObject({
        default: { text: "./Maildir/", source: "qmail-lspawn, which runs" },
        warnings: [
          "control/me is newer than the qmail-send that runs: it goes by what the file said since it was started",
          "control/virtualdomains is newer than the qmail-send that runs: it goes by what the file said since its last HUP",
        ],
      });
      expect((await explain("joe")).stdout).toMatch(/^note control\/me is newer/);
    } finally {
      await running.killAll();
    }
    expect(await explain("joe")).toMatchObject({
      code: 100,
      stderr: expect.stringContaining("what is the default delivery?"),
    });
    writeFileSync(home.at("control/defaultdelivery"), "./Mailbox\n");
    expect((await explain("joe")).stdout).toContain(`default         mbox ${home.at("mail/joe")}/Mailbox`);
  });

  test("what can not be read is told", async () => {
    using scratch = new Scratch();
    scratch.write("control/locals", "x\n");
    scratch.write("control/me/x", "");
    expect(await home.run("qmail", ["explain", "--home", scratch.path, "x"])).toMatchObject({
      code: 111,
      stderr: `qmail: fatal: unable to read ${scratch.path}/control/me\n`,
    });
  });
});
