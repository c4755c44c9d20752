/** A host that takes mail by SMTP and keeps what it took, for tests that must find every message again. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** A message as it came: with \n at the end of lines. */
export interface Arrived {
  recipients: string[];
  text: string;
}

export class Sink {
  readonly #server: Server;
  readonly #answer: (recipient: string) => string | undefined;
  readonly #keep: (arrived: Arrived) => void;

  private constructor(answer: (recipient: string) => string | undefined, keep: (arrived: Arrived) => void) {
    this.#answer = answer;
    this.#keep = keep;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** `answer`: what a recipient is answered where it is not `250 ok`. */
  static async start(
    keep: (arrived: Arrived) => void,
    answer: (recipient: string) => string | undefined = () => undefined,
  ): Promise<Sink> {
    const sink = new Sink(answer, keep);
    await new Promise<void>((resolve) => sink.#server.listen(0, "127.0.0.1", 1024, resolve));
    return sink;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  [Symbol.dispose](): void {
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let pending = "";
    let lines: string[] | undefined;
    let recipients: string[] = [];
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.write("220 sink\r\n");
    socket.on("data", (data: Buffer) => {
      const parts = (pending + data.toString("latin1")).split("\r\n");
      pending = parts.pop() ?? "";
      let replies = "";
      for (const line of parts) {
        if (lines === undefined) {
          const [, recipient] = /^RCPT TO:<(.*)>/i.exec(line) ?? [];
          const refusal = recipient === undefined ? undefined : this.#answer(recipient);
          if (recipient !== undefined && refusal === undefined) recipients.push(recipient);
          if (line === "DATA") lines = recipients.length > 0 ? [] : undefined;
          if (/^(MAIL|RSET)/i.test(line)) recipients = [];
          const standard = line === "DATA" ? (recipients.length > 0 ? "354 go" : "503 no one") : "250 ok";
          replies += `${refusal ?? standard}\r\n`;
        } else if (line !== ".") lines.push(line.startsWith(".") ? line.slice(1) : line);
        else {
          this.#keep({ recipients, text: `${lines.join("\n")}\n` });
          lines = undefined;
          recipients = [];
          replies += "250 kept\r\n";
        }
      }
      if (replies !== "") socket.write(replies);
    });
  }
}
