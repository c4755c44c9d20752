/** The people of a soak: who sends, at a rate; who reads by POP3, and who takes mail out of Maildirs. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { exchange, type Protocol, said, taken } from "../crash/clients.ts";
import { host } from "../helpers/home.ts";
import { type Books, recipientOf, textOf } from "./soak-books.ts";
import type { System } from "./soak-system.ts";

const sender = `joe@${host}`;

/** Seconds that a client waits. */
const patience = 120;

/** The most messages under way from clients. */
const together = 60;

/** Of 25 messages, so many come each way in. */
const doors: readonly (Protocol | "sendmail" | "inject")[] = [
  ...Array.from({ length: 15 }, () => "smtp" as const),
  ...Array.from({ length: 4 }, () => "qmtp" as const),
  ...Array.from({ length: 4 }, () => "qmqp" as const),
  "sendmail",
  "inject",
];

export class Senders {
  readonly #system: System;
  readonly #books: Books;
  readonly #underWay = new Set<Promise<void>>();

  constructor(system: System, books: Books) {
    this.#system = system;
    this.#books = books;
  }

  /** Sends at a rate until it is over; returns when all are answered. */
  async send(rate: number, seconds: number): Promise<void> {
    const begin = Date.now();
    const most = rate * seconds;
    for (let sent = 0; Date.now() - begin < seconds * 1000 && sent < most; await Bun.sleep(5)) {
      const due = ((Date.now() - begin) / 1000) * rate;
      for (; sent < due && this.#underWay.size < together; sent++) this.#one();
      // Who cannot keep up does not catch up in one rush later.
      sent = Math.max(sent, due - rate);
    }
    await Promise.all(this.#underWay);
  }

  #one(): void {
    const number = this.#books.send(Date.now());
    const work = this.#submit(number).then((answer) => {
      this.#books.answer(number, answer);
      this.#underWay.delete(work);
    });
    this.#underWay.add(work);
  }

  async #submit(number: number): Promise<"taken" | "refused" | "unknown"> {
    const door = doors[number % doors.length] ?? "smtp";
    const letter = { text: textOf(number), from: sender, to: recipientOf(number, host) };
    if (door === "sendmail" || door === "inject") {
      const words =
        door === "sendmail"
          ? ["sendmail", "-f", sender, letter.to]
          : ["qmail-inject", "-f", sender, letter.to];
      const [program = "", ...rest] = words;
      const child = Bun.spawn([this.#system.home.program(program), ...rest], {
        stdio: [new Blob([letter.text]), "ignore", "ignore"],
        env: this.#system.home.environment,
      });
      const code = await child.exited;
      return code === 0 ? "taken" : child.signalCode === null ? "refused" : "unknown";
    }
    const heard = await exchange(this.#system.ports[door], said[door](letter), patience);
    if (heard === undefined) return "unknown";
    if (taken[door].test(heard)) return "taken";
    const refused = /^[45]\d\d /m.test(heard) || /^\d+:[ZD]/.test(heard);
    return refused || heard === "" ? "refused" : "unknown";
  }
}

/** Takes mail out of Maildirs and writes it into the books. */
export class Readers {
  readonly #system: System;
  readonly #books: Books;
  /** What was read of ann's, whether or not its removal was heard of. */
  readonly #read = new Set<string>();
  /** POP3 sessions that came to their end, and that did not. */
  sessions = 0;
  broken = 0;

  constructor(system: System, books: Books) {
    this.#system = system;
    this.#books = books;
  }

  /** Whatever is in a Maildir now. */
  harvest(user: string): void {
    for (const part of ["new", "cur"]) {
      const box = join(this.#system.home.path, "mail", user, "Maildir", part);
      for (const name of readdirSync(box)) {
        const path = join(box, name);
        this.#take(user, name.split(":")[0] ?? "", readFileSync(path, "latin1"), path);
        rmSync(path);
      }
    }
  }

  /** One POP3 session of a user: everything is read and removed. */
  async visit(user: string): Promise<void> {
    const client = new Pop3(this.#system.ports.pop3);
    try {
      await client.says("+OK");
      client.say(`${this.#system.login(user)}UIDL\r\n`);
      for (let line = 0; line < 3; line++) await client.says("+OK");
      const list = await client.until("\r\n.\r\n");
      const messages = list.split("\r\n").flatMap((line) => [...line.matchAll(/^(\d+) (\S+)$/g)]);
      for (const [, index, uid = ""] of messages) {
        client.say(`RETR ${index}\r\n`);
        await client.says("+OK");
        const lines = (await client.until("\r\n.\r\n")).split("\r\n");
        const text = lines.slice(0, -1).map((line) => (line.startsWith(".") ? line.slice(1) : line));
        this.#take(user, uid, text.join("\n"), `message ${uid} by POP3`);
        client.say(`DELE ${index}\r\n`);
        await client.says("+OK");
      }
      client.say("QUIT\r\n");
      await client.says("+OK");
      this.sessions++;
    } catch (failure) {
      if (!(failure instanceof Gone)) throw failure;
      this.broken++;
    } finally {
      client.close();
    }
  }

  #take(user: string, uid: string, text: string, where: string): void {
    const key = `${user} ${uid}`;
    if (this.#read.has(key)) return;
    this.#read.add(key);
    this.#books.arrive(user, text, Date.now(), where);
  }
}

/** The server ended the session, or said no. */
class Gone extends Error {}

class Pop3 {
  readonly #socket: ReturnType<typeof connect>;
  #text = "";
  #over = false;
  #heard: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setTimeout(patience * 1000, () => this.#socket.destroy());
    this.#socket.on("data", (bytes) => {
      this.#text += bytes.toString("latin1");
      this.#heard();
    });
    for (const event of ["end", "close", "error"])
      this.#socket.on(event, () => {
        this.#over = true;
        this.#heard();
      });
  }

  say(words: string): void {
    this.#socket.write(words);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The next line has to begin so. */
  async says(words: string): Promise<void> {
    if (!(await this.until("\r\n")).startsWith(words)) throw new Gone();
  }

  /** Everything up to the end, with its first two bytes: the \r\n of the last line. */
  async until(end: string): Promise<string> {
    for (;;) {
      // An empty list is its last line alone.
      if (end !== "\r\n" && this.#text.startsWith(end.slice(2))) {
        this.#text = this.#text.slice(end.length - 2);
        return "";
      }
      const at = this.#text.indexOf(end);
      if (at >= 0) {
        const found = this.#text.slice(0, at + 2);
        this.#text = this.#text.slice(at + end.length);
        return found;
      }
      if (this.#over) throw new Gone();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#heard = resolve;
      await promise;
    }
  }
}
