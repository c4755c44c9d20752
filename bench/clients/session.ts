/** A client of our own, that notes when each message was acknowledged. One process, any number of sessions. */
import { message } from "../pure/text.ts";

/** When a message was begun and acknowledged, in milliseconds since 1970. */
export interface Acknowledged {
  begun: number;
  at: number;
}

/** A connection to an SMTP server; commands one after another, as smtp-source sends them. */
export class Session {
  #socket: Bun.Socket | undefined;
  #text = "";
  #waiting: { resolve: (line: string) => void; reject: (why: Error) => void } | undefined;
  #lost: Error | undefined;

  /** Connects, and waits for the greeting. */
  async open(port: number): Promise<void> {
    const lost = (why: string) => {
      this.#lost = new Error(`bench: the server ${why}`);
      this.#waiting?.reject(this.#lost);
    };
    this.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => this.#take(bytes.toString("latin1")),
        close: () => lost("closed the connection"),
        error: (_, failure) => lost(failure.message),
        drain: () => this.#flush(),
      },
    });
    await this.#reply("220");
    await this.say("HELO bench.example", "250");
  }

  #unsent: Buffer = Buffer.alloc(0);

  #flush(): void {
    const written = this.#socket?.write(this.#unsent) ?? 0;
    this.#unsent = this.#unsent.subarray(written);
  }

  #take(text: string): void {
    this.#text += text;
    const [line] = /^\d{3} .*\r\n/m.exec(this.#text) ?? [];
    if (line === undefined) return;
    this.#text = "";
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(line.trimEnd());
  }

  async #reply(code: string): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    const line = await new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    if (!line.startsWith(code)) throw new Error(`bench: the server said: ${line}`);
  }

  /** Sends a line (or lines), and waits for a reply with that code. */
  async say(line: string, code: string): Promise<void> {
    this.#unsent = Buffer.from(`${line}\r\n`, "latin1");
    const reply = this.#reply(code);
    this.#flush();
    await reply;
  }

  /** One message; returns when it was begun and when it was acknowledged. */
  async send(to: readonly string[], token: string, size: number): Promise<Acknowledged> {
    const text = message(size, token).replaceAll("\n", "\r\n");
    const begun = Date.now();
    await this.say("MAIL FROM:<bench@test.example>", "250");
    for (const recipient of to) await this.say(`RCPT TO:<${recipient}>`, "250");
    await this.say("DATA", "354");
    await this.say(`${text}.`, "250");
    return { begun, at: Date.now() };
  }

  async close(): Promise<void> {
    await this.say("QUIT", "221");
    this.#lost = undefined;
    this.#socket?.end();
  }
}

/** Sends messages over sessions as smtp-source does, a connection for each; when each token was acknowledged. */
export async function sendMeasured(
  port: number,
  {
    sessions,
    messages,
    size,
    to,
  }: { sessions: number; messages: number; size: number; to: readonly string[] },
): Promise<Map<string, Acknowledged>> {
  const acknowledged = new Map<string, Acknowledged>();
  let next = 0;
  const work = async () => {
    while (next < messages) {
      const token = `m${next++}`;
      const session = new Session();
      await session.open(port);
      acknowledged.set(token, await session.send(to, token, size));
      await session.close();
    }
  };
  await Promise.all(Array.from({ length: sessions }, work));
  return acknowledged;
}
