/** Mail that does not stop: by SMTP to a server that stays, by qmail-queue, by sendmail. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Group, host, type PrivateHome } from "../helpers/home.ts";
import { bodyOf } from "../scenarios/kill.ts";

/** What a message's number decides: every tenth bounces, two of ten are forwarded. */
export function wayOf(number: number): "bounce" | "forward" | "mailbox" {
  const rest = number % 10;
  return rest === 0 ? "bounce" : rest < 3 ? "forward" : "mailbox";
}

const localParts = { bounce: "nobody-there", forward: "joe-onward", mailbox: "joe" } as const;

export const recipientOf = (number: number): string => `${localParts[wayOf(number)]}@${host}`;

/** Bounces come back to the mailbox. */
const sender = `joe@${host}`;

/** Message `number`. */
export const textOf = (number: number): string => `Subject: ${number}\n\n${bodyOf(number)}`;

/** So many senders of each sort. */
const lanes = { smtp: 6, queue: 1, sendmail: 1 } as const;

/** Makes what the mail needs in a home. */
export function prepareHome(home: PrivateHome): void {
  writeFileSync(join(home.path, "mail", home.user, ".qmail-onward"), `&${sender}\n`);
}

export class Load {
  /** Numbers of the messages that were taken, as the client knows. */
  readonly acknowledged: number[] = [];
  readonly #home: PrivateHome;
  readonly #scratch: string;
  #next = 1;
  #stopped = false;
  #server: Group | undefined;
  #lanes: Promise<void>[] = [];

  /** `scratch`: for what the senders need, not on the disk under test. */
  constructor(home: PrivateHome, scratch: string) {
    this.#home = home;
    this.#scratch = scratch;
  }

  async start(): Promise<void> {
    const port = await this.#serve();
    const lane =
      (send: (number: number, lane: number) => Promise<boolean>) => async (_: unknown, i: number) => {
        while (!this.#stopped) {
          const number = this.#next++;
          if (await send(number, i)) this.acknowledged.push(number);
          // Nobody who is refused comes back at once.
          else await Bun.sleep(20);
        }
      };
    const many = (count: number, work: (_: unknown, i: number) => Promise<void>) =>
      Array.from({ length: count }, work);
    this.#lanes = [
      ...many(lanes.smtp, async (_, i) => {
        const session = await SmtpSession.open(port);
        await lane((number) => session.send(number))(_, i);
        session.close();
      }),
      ...many(
        lanes.queue,
        lane((number, i) => this.#byQueue(number, i)),
      ),
      ...many(
        lanes.sendmail,
        lane((number) => this.#bySendmail(number)),
      ),
    ];
  }

  /** Stops sending, and the server. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    await this.#server?.kill();
  }

  async #serve(): Promise<number> {
    const path = join(this.#scratch, "smtpd.log");
    const log = openSync(path, "w");
    const server = [this.#home.program("qmail-smtpd"), "--listen", "127.0.0.1:0"];
    this.#server = new Group(server, this.#home.environment, log);
    closeSync(log);
    const port = await portIn(path);
    if (port === undefined) throw new Error(`qmail-smtpd does not listen: ${await Bun.file(path).text()}`);
    return port;
  }

  async #byQueue(number: number, lane: number): Promise<boolean> {
    const files = [`message-${lane}`, `envelope-${lane}`].map((name) => join(this.#scratch, name));
    const [message = "", envelope = ""] = files;
    writeFileSync(message, textOf(number));
    writeFileSync(envelope, `F${sender}\0T${recipientOf(number)}\0\0`);
    const fds = [openSync(message, "r"), openSync(envelope, "r")] as const;
    const child = Bun.spawn([this.#home.program("qmail-queue")], {
      // The types know descriptor 1 as an output only.
      stdio: [fds[0], fds[1] as unknown as "ignore", "ignore"],
      env: this.#home.environment,
    });
    for (const fd of fds) closeSync(fd);
    return (await child.exited) === 0;
  }

  async #bySendmail(number: number): Promise<boolean> {
    const child = Bun.spawn([this.#home.program("sendmail"), "-f", sender, recipientOf(number)], {
      stdio: [new Blob([textOf(number)]), "ignore", "ignore"],
      env: this.#home.environment,
    });
    return (await child.exited) === 0;
  }
}

/** The port that a server names in its log; undefined if it does not say within 30 seconds, or `gone`. */
export async function portIn(log: string, gone = (): boolean => false): Promise<number | undefined> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    const port = /listening on .*:(\d+)\n/.exec(await Bun.file(log).text())?.[1];
    if (port !== undefined) return Number(port);
    if (gone()) return undefined;
    await Bun.sleep(10);
  }
  return undefined;
}

/** One connection, one message after another. */
export class SmtpSession {
  readonly #socket: Socket;
  #text = "";
  #heard: () => void = () => {};
  #ended = false;

  private constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (data) => {
      this.#text += data.toString("latin1");
      this.#heard();
    });
    const end = (): void => {
      this.#ended = true;
      this.#heard();
    };
    this.#socket.on("close", end).on("error", end);
  }

  static async open(port: number): Promise<SmtpSession> {
    const session = new SmtpSession(port);
    await session.#reply();
    await session.#say("HELO client.example");
    return session;
  }

  /** Whether the message was taken. */
  async send(number: number): Promise<boolean> {
    await this.#say(`MAIL FROM:<${sender}>`);
    await this.#say(`RCPT TO:<${recipientOf(number)}>`);
    await this.#say("DATA");
    return (await this.#say(`${textOf(number).replaceAll("\n", "\r\n")}.`)).startsWith("250");
  }

  close(): void {
    this.#socket.destroy();
  }

  async #say(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return await this.#reply();
  }

  /** The last line of the next reply. */
  async #reply(): Promise<string> {
    for (;;) {
      const found = /^\d{3} .*\r\n/m.exec(this.#text);
      if (found !== null) {
        this.#text = this.#text.slice(found.index + found[0].length);
        return found[0];
      }
      if (this.#ended) throw new Error("the SMTP server is gone");
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#heard = resolve;
      await promise;
    }
  }
}
