/** The scripted partners of a case on the network: TCP servers on 127.0.0.1 that follow a list of steps. */
import { createServer, type Server, type Socket } from "node:net";
import { bytesOf, type Case, type ServerScript, type Step } from "./format.ts";

/** Running servers. */
export interface Servers {
  /** {{PORT}}, if a server listens on a free port. */
  words: Record<string, string>;
  /** Stops them; per server all it received (latin1), or null if nobody connected. May be called again. */
  end: () => Promise<(string | null)[]>;
}

/** Starts the servers that the case asks for. */
export async function startServers(test: Case): Promise<Servers> {
  const scripts = test.server === undefined ? (test.servers ?? []) : [test.server];
  const running = await Promise.all(scripts.map((script) => ScriptedServer.start(script)));
  const port = test.server === undefined ? undefined : running[0]?.port;
  return {
    words: port === undefined ? {} : { PORT: String(port) },
    end: () => Promise.all(running.map((server) => server.end())),
  };
}

class ScriptedServer {
  port = 0;
  #saw: string | null = null;
  readonly #server: Server;
  #socket: Socket | undefined;
  #unread = "";
  #ended = false;
  #closed = false;
  #wake: () => void = () => {};

  private constructor(script: ServerScript) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#server.close();
      this.#converse(socket, script.steps ?? []);
    });
  }

  /** Listens; where the script refuses, only the port is found, and nothing listens there. */
  static async start(script: ServerScript): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(script);
    const server = scripted.#server;
    if (script.refuse === true && script.port !== undefined) return scripted;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(script.port ?? 0, script.address ?? "127.0.0.1", resolve);
    });
    const address = server.address();
    scripted.port = typeof address === "object" ? (address?.port ?? 0) : 0;
    if (script.refuse === true) await new Promise((resolve) => server.close(resolve));
    return scripted;
  }

  async end(): Promise<string | null> {
    await Bun.sleep(this.#socket === undefined || this.#ended ? 0 : 20);
    this.#socket?.destroy();
    this.#server.close();
    return this.#saw;
  }

  async #converse(socket: Socket, steps: readonly Step[]): Promise<void> {
    this.#socket = socket;
    this.#saw = "";
    socket.on("data", (data) => {
      if (this.#closed) return;
      const text = data.toString("latin1");
      this.#saw += text;
      this.#unread += text;
      this.#wake();
    });
    const over = () => {
      this.#ended = true;
      this.#wake();
    };
    for (const event of ["end", "close", "error"]) socket.on(event, over);
    for (const step of steps) await this.#step(socket, step);
    socket.end();
  }

  async #step(socket: Socket, [verb, value]: Step): Promise<void> {
    if (verb === "send") socket.write(Buffer.from(bytesOf(value), "latin1"));
    else if (verb === "line") await this.#take(/^[^\n]*\n/);
    else if (verb === "lines") await this.#take(new RegExp(`^(?:[^\\n]*\\n){${value}}`));
    else if (verb === "data") await this.#take(/^(?:.*?\r\n)?\.\r\n/s);
    else if (verb === "bytes") await this.#take(new RegExp(`^.{${value}}`, "s"));
    else if (verb === "sleep") await Bun.sleep(value * 1000);
    else if (verb === "eof") await this.#take(/^(?!)/);
    else this.#close(socket);
  }

  /** What the program still sends meets nobody. */
  #close(socket: Socket): void {
    this.#closed = true;
    socket.end();
  }

  /** Waits for bytes of this shape, or the end. */
  async #take(shape: RegExp): Promise<void> {
    for (;;) {
      const found = shape.exec(this.#unread)?.[0];
      if (found !== undefined) this.#unread = this.#unread.slice(found.length);
      if (found !== undefined || this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
