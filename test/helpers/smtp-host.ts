/** A host that takes mail by SMTP, for tests of what sends it. */

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";

/** How the host behaves; without a word it takes everything. */
export interface Manners {
  address?: string;
  greeting?: string;
  /** The answer to a command line, where it is not `250 ok`. */
  answer?: (line: string, socket: Socket) => string | undefined;
  /** What to do when the message is there, in the place of `250 kept`. `connection`: its number, from 1 on. */
  received?: (socket: Socket, connection: number) => void;
  /** Reads nothing after DATA. */
  stopsReading?: boolean;
}

export class SmtpHost {
  readonly lines: string[] = [];
  /** How many connections there were, and how many there are. */
  connections = 0;
  open = 0;
  /** Bytes of messages received, with their final dots. */
  size = 0;
  readonly #server: Server;
  readonly #manners: Manners;

  private constructor(manners: Manners) {
    this.#manners = manners;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(manners: Manners = {}): Promise<SmtpHost> {
    const host = new SmtpHost(manners);
    await new Promise<void>((resolve) => host.#server.listen(0, manners.address ?? "127.0.0.1", resolve));
    return host;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  [Symbol.dispose](): void {
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let pending = "";
    let receiving = false;
    const connection = ++this.connections;
    this.open++;
    socket.on("close", () => this.open--);
    socket.on("error", () => socket.destroy());
    socket.write(this.#manners.greeting ?? "220 hi\r\n");
    socket.on("data", (data: Buffer) => {
      if (receiving) {
        this.size += data.length;
        if (!/(^|\n)\.\r\n$/.test(data.subarray(-4).toString("latin1"))) return;
        receiving = false;
        if (this.#manners.received === undefined) socket.write("250 kept\r\n");
        else this.#manners.received(socket, connection);
        return;
      }
      pending += data.toString("latin1");
      for (let end = pending.indexOf("\n"); end >= 0; end = pending.indexOf("\n")) {
        const line = pending.slice(0, end - 1);
        pending = pending.slice(end + 1);
        this.lines.push(line);
        receiving = line === "DATA";
        if (receiving && this.#manners.stopsReading === true) socket.pause();
        socket.write(this.#manners.answer?.(line, socket) ?? (receiving ? "354 go\r\n" : "250 ok\r\n"));
      }
    });
  }
}
