/** A client that does what it is told, with a socket of its own. */
import { connect, type Socket } from "node:net";
import { until } from "./server.ts";

export class Talk {
  readonly socket: Socket;
  /** What the server said, one character a byte. */
  text = "";
  /** Whether the server has closed its side, or the connection. */
  over = false;
  /** Set where the connection failed. */
  failure: string | undefined;
  readonly ended: Promise<void>;

  /** `from`: the address it comes from. */
  constructor(port: number, host = "127.0.0.1", from?: string) {
    const local = from === undefined ? {} : { localAddress: from };
    this.socket = connect({ port, host, ...local, allowHalfOpen: true, noDelay: true });
    this.socket.on("data", (bytes) => {
      this.text += bytes.toString("latin1");
    });
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.over = true;
        resolve();
      };
      this.socket.on("end", end);
      this.socket.on("close", end);
      this.socket.on("error", (failure: Error & { code?: string }) => {
        this.failure = failure.code ?? failure.message;
        end();
      });
    });
  }

  say(words: string | Uint8Array): void {
    this.socket.write(typeof words === "string" ? Buffer.from(words, "latin1") : words);
  }

  /** Waits until the server has said this. */
  async hears(what: string | RegExp): Promise<void> {
    const heard = () => (typeof what === "string" ? this.text.includes(what) : what.test(this.text));
    await until(`${what} is heard`, () => heard() || this.over).catch(() => {});
    if (!heard()) throw new Error(`${what} did not come: ${JSON.stringify(this.text)} ${this.failure ?? ""}`);
  }

  /** Leaves without a word: what is under way is lost on both sides (RST). */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Where to speak, and how. */
export interface Session {
  port: number;
  host?: string;
  /** Byte for byte. */
  single?: boolean;
}

/** Says everything and closes the client's side; returns what the server said until it closed. */
export async function session({ port, host, single = false }: Session, input: string): Promise<string> {
  using talk = new Talk(port, host);
  if (single) for (const byte of Buffer.from(input, "latin1")) talk.say(Uint8Array.of(byte));
  else talk.say(input);
  talk.socket.end();
  await talk.ended;
  if (talk.failure !== undefined && talk.failure !== "ECONNRESET" && talk.failure !== "EPIPE")
    throw new Error(talk.failure);
  return talk.text;
}

/** What differs from one time to the next, as letters. */
export const steady = (text: string): string =>
  text.replace(/ok \d+ qp \d+/g, "ok N qp P").replace(/<\d+\.\d+\.\d+@/g, "<STAMP@");
