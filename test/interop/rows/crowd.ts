/** Deliveries, Dovecot by IMAP and qmail-pop3d at once on one Maildir: every message is read in full, once, and gone. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { patience } from "../../helpers/patience.ts";
import { password, type World } from "./world.ts";

const digest = (text: string): string => createHash("sha256").update(text, "latin1").digest("hex");

/** A connection, and its answers: `until` waits for one that matches, and takes everything up to its end. */
class Talk {
  readonly #socket: Socket;
  #got = "";
  #closed = false;

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1" });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text) => {
      this.#got += text;
    });
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("close", () => {
      this.#closed = true;
    });
  }

  async until(pattern: RegExp): Promise<string> {
    for (const end = Date.now() + patience * 1000; ; await Bun.sleep(2)) {
      const found = pattern.exec(this.#got);
      if (found !== null) {
        const text = this.#got.slice(0, found.index + found[0].length);
        this.#got = this.#got.slice(text.length);
        return text;
      }
      if (this.#closed || Date.now() > end) throw new Error(`no ${pattern} in ${this.#got.slice(-300)}`);
    }
  }

  async say(line: string, answer: RegExp): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return await this.until(answer);
  }

  end(): void {
    this.#socket.end();
  }
}

/** The number and the digest that a message names, and whether its body has that digest. */
function checked(text: string): number {
  const found = /^Subject: (\d+) ([0-9a-f]{64})\r?\n(?:.+\r?\n)*\r?\n([\s\S]*)$/m.exec(text);
  assert.ok(found !== null, `torn: ${text.slice(0, 500)}`);
  const [, number = "", expected, rest = ""] = found;
  const body = rest.replaceAll("\r\n", "\n").replace(/\n+$/, "\n");
  assert.equal(digest(body), expected, `torn: message ${number}, ${body.length} bytes`);
  return Number(number);
}

/** One session by POP3: reads what there is, deletes every second. The numbers that it deleted. */
async function byPop(): Promise<number[]> {
  const talk = new Talk(110);
  const line = /^(\+OK|-ERR).*\r\n/;
  await talk.until(line);
  await talk.say("USER ann", line);
  assert.match(await talk.say(`PASS ${password}`, line), /^\+OK/);
  const count = Number((await talk.say("STAT", line)).split(" ")[1]);
  const gone: number[] = [];
  for (let message = 1; message <= Math.min(count, 20); message++) {
    const text = await talk.say(`RETR ${message}`, /^-ERR.*\r\n|\r\n\.\r\n/);
    // It has been taken away by the other reader meanwhile.
    if (text.startsWith("-ERR")) continue;
    const number = checked(text.slice(text.indexOf("\r\n") + 2, -3).replaceAll("\r\n..", "\r\n."));
    if (message % 2 === 0) continue;
    if ((await talk.say(`DELE ${message}`, line)).startsWith("+OK")) gone.push(number);
  }
  await talk.say("QUIT", line);
  talk.end();
  return gone;
}

/** One session by IMAP: reads what there is, removes every third. The numbers that it has read and removed. */
async function byImap(): Promise<{ read: number; gone: number[] }> {
  const talk = new Talk(1143);
  await talk.until(/^\* OK.*\r\n/);
  const say = (words: string) => talk.say(`a ${words}`, /(^|\r\n)a (OK|NO|BAD).*\r\n/);
  assert.match(await say(`LOGIN ann "${password}"`), /a OK/);
  await say("SELECT INBOX");
  const uids = (/^\* SEARCH([ \d]*)/m.exec(await say("UID SEARCH ALL"))?.[1] ?? "")
    .trim()
    .split(" ")
    .filter(Boolean);
  const gone: number[] = [];
  let read = 0;
  for (const uid of uids.slice(0, 20)) {
    const text = await say(`UID FETCH ${uid} BODY.PEEK[]`);
    const found = /BODY\[\] \{(\d+)\}\r\n/.exec(text);
    if (found === null) continue;
    const from = found.index + found[0].length;
    const number = checked(text.slice(from, from + Number(found[1])));
    read++;
    if (Number(uid) % 3 !== 0) continue;
    if (/a OK/.test(await say(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`))) gone.push(number);
  }
  await say("EXPUNGE");
  await say("LOGOUT");
  talk.end();
  return { read, gone };
}

function message(number: number): string {
  const body = `${`message ${number} `.repeat(1 + ((number * 37) % 400))}\n.\nend ${number}\n`;
  return `Subject: ${number} ${digest(body)}\n\n${body}`;
}

/** The row: for 5 seconds, or for 60. */
export async function crowd(world: World): Promise<string> {
  const end = Date.now() + (world.long ? 60_000 : 5_000);
  let sent = 0;
  let read = 0;
  const removed = new Set<number>();
  const deliver = async () => {
    while (Date.now() < end) await world.send(message(sent++), "ann@test.example");
  };
  const pop = async () => {
    while (Date.now() < end) for (const number of await byPop()) removed.add(number);
  };
  const imap = async () => {
    while (Date.now() < end) {
      const { read: more, gone } = await byImap();
      read += more;
      for (const number of gone) removed.add(number);
    }
  };
  await Promise.all([deliver(), deliver(), pop(), imap()]);
  await world.settled();
  const left = new Set<number>();
  for (const path of world.maildir("ann")) {
    const text = await Bun.file(path).bytes();
    const number = checked(Buffer.from(text).toString("latin1"));
    assert.ok(!left.has(number), `message ${number} is there twice`);
    left.add(number);
  }
  const lost = Array.from({ length: sent }, (_, number) => number).filter(
    (n) => !left.has(n) && !removed.has(n),
  );
  assert.deepEqual(lost, []);
  return `${sent} sent, ${removed.size} removed by the readers, ${left.size} left; ${read} read by IMAP; none lost or torn`;
}
