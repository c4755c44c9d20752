/** `qmail import postfix` on a sample of /etc, into a private home in which the addresses then really get mail. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bin, Scratch } from "../helpers/built.ts";
import { Group, until } from "../helpers/home.ts";
import { isRoot, nobody } from "../helpers/queue-home.ts";
import { SmtpHost } from "../helpers/smtp-host.ts";

const sample = join(import.meta.dir, "../sample/postfix");

/** A private home, of nobody where we are root: root's own runs no programs. And a copy of the sample. */
class Imported extends Scratch {
  constructor() {
    super();
    chmodSync(this.path, 0o755);
    for (const name of ["place", "spool"]) {
      mkdirSync(this.in(name));
      chmodSync(this.in(name), 0o777);
    }
    this.must("init", "--host", "mail.example.org", ...(isRoot ? ["--user", "nobody"] : []));
    this.must("user", "add", "joe", "ann");
    cpSync(sample, this.in("machine"), { recursive: true });
  }
  get home(): string {
    return this.in("place/home");
  }
  /** Runs `qmail` on the home. */
  qmail(...words: string[]): { code: number | null; stdout: string; stderr: string } {
    const done = spawnSync(join(bin, "qmail"), [...words, "--home", this.home], {
      encoding: "latin1",
      env: { PATH: process.env.PATH, NO_COLOR: "1" },
    });
    return { code: done.status, stdout: done.stdout, stderr: done.stderr };
  }
  must(...words: string[]): void {
    const done = this.qmail(...words);
    if (done.code !== 0) throw new Error(`qmail ${words.join(" ")}: ${done.stderr}`);
  }
  import(...words: string[]): ReturnType<Imported["qmail"]> {
    return this.qmail("import", "postfix", "--postfix", this.in("machine/etc/postfix"), ...words);
  }
  /** Changes a file of the copy. */
  edit(name: string, from: string, to: string): void {
    const path = this.in("machine/etc", name);
    const text = readFileSync(path, "utf8");
    if (!text.includes(from)) throw new Error(`${path} has no ${from}`);
    writeFileSync(path, text.replaceAll(from, to));
  }
  /** Every file of the home that an import may touch, with its content. */
  files(): Record<string, string> {
    const names = ["alias", "control", "mail"].flatMap((top) =>
      (readdirSync(join(this.home, top), { recursive: true, withFileTypes: true }) ?? [])
        .filter((entry) => entry.isFile() && !entry.parentPath.includes("/Maildir"))
        .map((entry) => join(entry.parentPath, entry.name).slice(this.home.length + 1)),
    );
    return Object.fromEntries(names.sort().map((name) => [name, this.read(`place/home/${name}`)]));
  }
}

test("a dry run prints every file and writes none; what could not be translated is named", () => {
  using place = new Imported();
  const before = place.files();
  const { code, stdout, stderr } = place.import("--dry-run");
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  expect(place.files()).toEqual(before);
  expect(stdout).toContain(`${place.home}/alias/.qmail-alias-example:com-info: new\n    &joe\n`);
  expect(stdout).toContain(`${place.home}/mail/joe/.qmail: new\n    ./Maildir/\n    &joe@phone.example\n`);
  expect(stdout).toEndWith("nothing was written\n");
  const said = stdout.split("\n").filter((line) => line.startsWith("not translated: "));
  expect(said.map((line) => line.slice(16))).toEqual([
    "regexp:/etc/postfix/virtual.re: no text of this table can be read",
    "virtual nobody@example.com: /dev/null, which is no address",
    "hash:/etc/aliases: broken line without a colon",
    "alias list: |/bin/false in an included file, where Postfix does not allow it",
    "alias ghost: ghost, which is the address itself: it has no mailbox in this home",
    "alias odd: :fail:nobody",
    "transport table: old.example uucp:old",
    "transport table: joe@one.example smtp:[one.example]",
    "mynetworks: hash:/etc/postfix/network_table",
    "recipient_delimiter = +",
    "smtpd_recipient_restrictions = permit_mynetworks, reject_rbl_client bl.example",
    "header_checks = regexp:/etc/postfix/header_checks",
  ]);
});

test("what is there and says something else stays, unless it is forced; a second import changes nothing", () => {
  using place = new Imported();
  writeFileSync(join(place.home, "alias/.qmail-list"), "&somebody\n");
  expect(place.import()).toMatchObject({ code: 1, stderr: "" });
  const first = place.files();
  expect(first["alias/.qmail-list"]).toBe("&somebody\n");
  expect(first["control/locals"]).toBe("mail.example.org\nlocalhost.example.org\nlocalhost\nexample.org\n");
  const again = place.import();
  expect(again.stdout).toContain("alias/.qmail-list: differs, not overwritten (--force overwrites it)\n");
  expect(again.stdout).not.toMatch(/: (new|replaced)$/m);
  expect(place.files()).toEqual(first);
  place.import("--force");
  expect(place.files()["alias/.qmail-list"]).toBe("&ann\n&joe\n&quoted box@example.net\n");
});

test("an import of which nothing is missing ends with 0; one without main.cf or a home is refused", () => {
  using place = new Imported();
  writeFileSync(place.in("machine/etc/postfix/main.cf"), "mynetworks = 127.0.0.0/8\n");
  writeFileSync(place.in("aliases"), "webmaster: joe\n");
  expect(place.import("--aliases", place.in("aliases"))).toMatchObject({ code: 0, stderr: "" });
  expect(place.files()["alias/.qmail-webmaster"]).toBe("&joe\n");
  const none = place.qmail("import", "postfix", "--postfix", place.in("none"));
  expect(none).toMatchObject({
    code: 100,
    stderr: `qmail: fatal: there is no ${place.in("none")}/main.cf\n`,
  });
  const run = spawnSync(join(bin, "qmail"), ["import", "postfix", "--home", place.in("spool")], {
    encoding: "utf8",
  });
  expect(run.status).toBe(100);
  expect(run.stderr).toStartWith(`qmail: fatal: ${place.in("spool")} is no qmail home: `);
});

describe("the addresses get mail", () => {
  let place: Imported;
  let relay: SmtpHost;
  let daemons: Group;

  beforeAll(async () => {
    place = new Imported();
    relay = await SmtpHost.start();
    place.edit("postfix/main.cf", "[relay.example.net]:submission", `[127.0.0.1]:${relay.port}`);
    place.edit(
      "aliases",
      "/var/spool/archive, /srv/archive/Maildir/",
      `${place.in("spool/box")}, ${place.in("spool/Maildir/")}`,
    );
    place.edit(
      "aliases",
      '/usr/local/bin/tickets --queue \\"first line\\" > /dev/null',
      `cat > '${place.in("spool/ticket")}'`,
    );
    for (const name of ["", "tmp", "new", "cur"]) {
      mkdirSync(place.in("spool/Maildir", name));
      chmodSync(place.in("spool/Maildir", name), 0o777);
    }
    expect(place.import().stderr).toBe("");
    const switching = isRoot ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : [];
    daemons = new Group([...switching, join(place.home, "rc")], { PATH: "/usr/bin:/bin" }, "ignore");
  }, 900_000);

  afterAll(async () => {
    await daemons.kill();
    relay[Symbol.dispose]();
    place[Symbol.dispose]();
  });

  /** Sends a message; its subject is the recipient. */
  function send(recipient: string): void {
    const done = spawnSync(join(place.home, "bin/qmail-inject"), ["-fsender@far.example", "--", recipient], {
      input: `Subject: for ${recipient}\nTo: undisclosed\n\nbody\n`,
      env: { QMAILHOME: place.home },
      encoding: "utf8",
      ...(isRoot ? { uid: nobody, gid: nobody } : {}),
    });
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: "" });
  }

  /** How many messages with that subject are in a file or a Maildir. */
  function found(path: string, subject: string): number {
    const text = spawnSync("sh", ["-c", 'cat "$1"/new/* "$1" 2>/dev/null', "sh", path], {
      encoding: "latin1",
    }).stdout;
    return text.split(`Subject: for ${subject}\n`).length - 1;
  }

  const inbox = (name: string): string => join(place.home, "mail", name, "Maildir");
  const [joe, ann] = ["joe", "ann"];

  /** An address, the mailboxes that it reaches, and the recipients that leave for the relay. */
  const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["info@example.com", [joe], ["joe@phone.example"]],
    ["SALES.team@Example.Com", [joe, "box", "Maildir"], ["joe@phone.example", "ann@elsewhere.example"]],
    ["whoever@example.com", [ann], []],
    ["someone@widgets.example", [ann], []],
    ["boss@partner.example", [ann], []],
    ["support@localhost", [ann], []],
    ["webmaster", [joe], ["joe@phone.example"]],
    ["mailer-daemon", [joe], ["joe@phone.example"]],
    ["list@example.org", [ann, joe], ["joe@phone.example", "quoted box@example.net"]],
    ["owner-list", [ann], []],
    ["archive", ["box", "Maildir"], []],
    ["first.last", [ann], []],
    ["ann-chess", [joe], ["joe@phone.example"]],
    ["tickets", ["ticket"], []],
    ["devnull", [], []],
  ];
  for (const [recipient, places, leaving] of rows) {
    test(`${recipient} reaches ${[...places, ...leaving].join(", ") || "nobody"}`, async () => {
      const before = relay.lines.length;
      send(recipient);
      const path = (name: string) => (name === joe || name === ann ? inbox(name) : place.in("spool", name));
      const all = [joe, ann, "box", "Maildir", "ticket"];
      const wanted = Object.fromEntries(all.map((name) => [name, places.includes(name) ? 1 : 0]));
      const counts = () => Object.fromEntries(all.map((name) => [name, found(path(name), recipient)]));
      const left = () =>
        relay.lines
          .slice(before)
          .map((line) => /^RCPT TO:<(.*)>$/.exec(line)?.[1]?.replaceAll('"', ""))
          .filter((address) => address !== undefined)
          .sort();
      const idle = () => readdirSync(join(place.home, "queue/todo")).length === 0 && filesIn("info") === 0;
      await until(120, () => idle());
      expect(counts()).toEqual(wanted);
      expect(left()).toEqual([...leaving].sort());
    }, 900_000);
  }

  /** How many messages there are in a part of the queue that is split. */
  function filesIn(part: string): number {
    const entries = readdirSync(join(place.home, "queue", part), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length;
  }

  test("a program gets the lines before the message that Postfix puts there, and a list its owner as sender", () => {
    const ticket = readFileSync(place.in("spool/ticket"), "latin1");
    expect(ticket).toMatch(
      /^From sender@far\.example .*\nReturn-Path: <sender@far\.example>\nDelivered-To: tickets@/,
    );
    expect(relay.lines).toContain("MAIL FROM:<list-owner@example.org>");
  });

  test("tcprules takes the rules: who is in mynetworks may relay", () => {
    const [cdb, temporary] = [place.in("spool/cdb"), place.in("spool/tmp")];
    const input = readFileSync(join(place.home, "control/tcp.smtp"));
    expect(spawnSync(join(bin, "tcprules"), [cdb, temporary], { input }).status).toBe(0);
    const mayRelay = (ip: string): boolean =>
      spawnSync(join(bin, "tcprulescheck"), [cdb], {
        env: { TCPREMOTEIP: ip },
        encoding: "utf8",
      }).stdout.includes("RELAYCLIENT");
    const inside = [
      "127.0.0.1",
      "::1",
      "192.0.2.7",
      "172.31.1.1",
      "198.51.100.64",
      "198.51.100.127",
      "2001:db8:1:5::9",
    ];
    const outside = [
      "192.0.2.66",
      "172.32.0.1",
      "198.51.100.63",
      "198.51.100.128",
      "2001:db8:2::1",
      "8.8.8.8",
    ];
    expect(inside.filter((ip) => !mayRelay(ip))).toEqual([]);
    expect(outside.filter(mayRelay)).toEqual([]);
  });
});
