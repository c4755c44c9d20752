/** Mail systems of others as the next host, in both directions. What each of them needs is in its own file. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { patience } from "../../helpers/patience.ts";
import type { Row } from "./row.ts";
import { has, session, type World } from "./world.ts";

/** Where the neighbour listens, and the name of its mail. */
export const address = "127.0.0.2";
export const domain = "neighbour.example";

/** A mail system that runs at `address` for `domain`, delivers joe's mail to a Maildir and sends the rest here. */
export interface Neighbour {
  packages: Row["packages"];
  needs: readonly string[];
  /** The largest message it takes, in bytes. */
  limit: number;
  /** Its command that injects a message from descriptor 0, for a sender and a recipient. */
  inject: (from: string, to: string) => string[];
  /** Whether it sends lines that are too long for SMTP; otherwise the message bounces there. */
  sendsLong: boolean;
}

/** joe's Maildir at the neighbour's. */
export const box = "/var/mail/neighbour-joe";

/** What has arrived there: one message, which is taken away. */
async function arrivedThere(world: World): Promise<string> {
  const files = () =>
    ["new", "cur"].flatMap((part) => {
      const directory = `${box}/${part}`;
      return existsSync(directory) ? readdirSync(directory).map((name) => `${directory}/${name}`) : [];
    });
  await world.settled(() => files().length > 0);
  const [path = "", ...more] = files();
  assert.equal(more.length, 0);
  const text = readFileSync(path, "latin1");
  rmSync(path);
  return text;
}

/** Our side: everything for the domain goes there. */
export async function openNeighbour(world: World): Promise<void> {
  // Postfix wants an address that an interface has.
  await world.must("root", ["ip", "address", "add", `${address}/8`, "dev", "lo"]);
  world.control("smtproutes", `${domain}:${address}\n`);
  world.control("databytes", "1000000\n");
  world.control("smtpextensions", "SIZE\n");
  world.start();
  await world.smtpd();
}

const head = (from: string, to: string) => `From: ${from}\nTo: ${to}\nSubject: a letter\n`;
const body = "\n\xe4\xf6\xfc\xff\n.\n..two\nFrom here\n\ttab \n\n\nend\n";
const joeThere = `joe@${domain}`;
const annHere = "ann@test.example";
const mime =
  "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n";

/** The rows of a neighbour. */
export function rowsOf(their: Neighbour): Row[] {
  const [name] = their.packages;
  const row = (direction: string, check: (world: World) => Promise<string>): Row => ({
    packages: their.packages,
    needs: their.needs,
    direction,
    check,
  });
  const back = async (world: World, to: string, ...words: (string | RegExp)[]) => {
    const bounce = await world.one("joe");
    has(bounce, /^Return-Path: <>\n/, `<${to}>:\n`, ...words);
  };
  return [
    row(`qmail-remote -> ${name}: 8-bit, dots`, async (world) => {
      await world.send(head("joe@test.example", joeThere) + mime + body, joeThere);
      has(await arrivedThere(world), head("joe@test.example", joeThere) + mime + body);
      return "every byte";
    }),
    row(`${name} -> qmail-smtpd: 8-bit, dots`, async (world) => {
      const text = head(joeThere, annHere) + mime + body;
      await world.must("root", their.inject(joeThere, annHere), { stdin: Buffer.from(text, "latin1") });
      const message = await world.one("ann");
      has(
        message,
        /^Return-Path: <joe@neighbour\.example>\nDelivered-To: ann@test\.example\n/,
        "\nSubject: a letter\n",
        body,
      );
      return "every byte";
    }),
    row(`client -> qmail-smtpd -> qmail-remote -> ${name}: relay`, async (world) => {
      has(
        await world.smtp(session("joe@test.example", joeThere, head("joe@test.example", joeThere) + body)),
        /^250 ok \d+ qp/m,
      );
      has(await arrivedThere(world), body);
      return "through both";
    }),
    row(`client -> ${name} -> qmail-smtpd: relay`, async (world) => {
      const replies = await talk(
        world,
        [`MAIL FROM:<${joeThere}>`, `RCPT TO:<${annHere}>`],
        head(joeThere, annHere) + body,
      );
      has(replies, / 250 .*/);
      has(await world.one("ann"), "\nSubject: a letter\n", body);
      return "through both";
    }),
    row(`qmail-remote -> ${name}: nobody there, bounce`, async (world) => {
      await world.send("Subject: lost\n\n", `nobody@${domain}`);
      await back(
        world,
        `nobody@${domain}`,
        /550|524|524|5\.1\.1|User unknown|Unrouteable|Invalid recipient/i,
      );
      return "refused at RCPT, bounced to joe";
    }),
    row(`${name} -> qmail-smtpd: refused, its bounce`, async (world) => {
      const lost = "nobody@elsewhere.example";
      await world.must("root", their.inject("joe@test.example", lost), { stdin: "Subject: lost\n\n" });
      const bounce = await world.one("joe");
      has(bounce, /^Return-Path: <>\n/, lost, /553/);
      return "553 at RCPT; its bounce came to joe";
    }),
    row(`qmail-remote -> ${name}: too large`, async (world) => {
      await world.send(
        `Subject: large\n\n${"x".repeat(70)}\n`.replace(
          /x+\n$/,
          `${"x".repeat(70)}\n`.repeat(their.limit / 70),
        ),
        joeThere,
      );
      await back(world, joeThere, /552|too (big|large)|size|exceed/i);
      return "bounced to joe";
    }),
    row(`${name} -> qmail-smtpd: too large`, async (world) => {
      const text = `Subject: large\n\n${`${"x".repeat(70)}\n`.repeat(15_000)}`;
      await world.must("root", their.inject(joeThere, annHere), { stdin: text });
      has(await arrivedThere(world), annHere, /552|size|too (big|large)/i);
      assert.equal(world.maildir("ann").length, 0);
      return "SIZE or 552; it bounced there";
    }),
    row(`qmail-remote -> ${name}: lines of 990 and of 5000 bytes`, async (world) => {
      const usual = `${"y".repeat(990)}\n`;
      const long = `${"z".repeat(5000)}\n`;
      await world.send(`Subject: long lines\n\n${usual}`, joeThere);
      has(await arrivedThere(world), `\n\n${usual}`);
      await world.send(`Subject: long lines\n\n${long}`, joeThere);
      has(await arrivedThere(world), `\n\n${long}`);
      return "all as they were";
    }),
    row(`${name} -> qmail-smtpd: lines of 990 and of 5000 bytes`, async (world) => {
      const usual = `${"y".repeat(990)}\n`;
      const long = `${"z".repeat(5000)}\n`;
      await world.must("root", their.inject(joeThere, annHere), { stdin: `Subject: long lines\n\n${usual}` });
      assert.equal(letters(await world.one("ann"), "y"), 990);
      await world.must("root", their.inject(joeThere, annHere), { stdin: `Subject: long lines\n\n${long}` });
      if (!their.sendsLong) {
        has(await arrivedThere(world), annHere, /line/i);
        return "990 intact; it does not send 5000, and bounces there";
      }
      const message = await world.one("ann");
      assert.equal(letters(message, "z"), 5000);
      return message.includes(long) ? "all as they were" : "990 intact; 5000 folded by it";
    }),
  ];
}

/** How often a letter is in a body: some split long lines, or encode them. */
const letters = (message: string, letter: string): number =>
  message.slice(message.indexOf("\n\n")).split(letter).length - 1;

/** Speaks with the neighbour as a client that waits for each reply; all replies. */
async function talk(world: World, commands: string[], message: string): Promise<string> {
  const file = world.at("swaks-message");
  writeFileSync(file, Buffer.from(message.replace(/\n$/, ""), "latin1"));
  const [from = "", to = ""] = commands.map((line) => /<(.*)>/.exec(line)?.[1] ?? "");
  return await world.must("root", [
    "swaks",
    "--server",
    address,
    "--from",
    from,
    "--to",
    to,
    "--data",
    `@${file}`,
  ]);
}

/** Makes the neighbour's Maildir for joe. */
export function makeBox(owner: string): void {
  for (const part of ["", "/tmp", "/new", "/cur"]) {
    const made = Bun.spawnSync(["install", "-d", "-m", "0700", "-o", owner, "-g", owner, box + part]);
    if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  }
}

/** Waits until a server greets. One connection at a time, to its end: a server has only so many for a client. */
export async function answering(world: World, host = address, port = 25): Promise<void> {
  for (const end = Date.now() + patience * 1000; ; await Bun.sleep(30)) {
    const replies = await world.smtp("QUIT\n", host, port).catch(() => "");
    if (replies.startsWith("220")) return;
    assert.ok(Date.now() < end, `no greeting at ${host}:${port}`);
  }
}
