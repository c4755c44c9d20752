/** A server that stays, with a queue program that keeps what it gets; server.ts has one over a real queue. */
import { join } from "node:path";
import { CdbMaker } from "../../src/core/bytes/cdb.ts";
import { bin, Scratch } from "./built.ts";
import { session as sessionWith } from "./talk.ts";

/** A home, and a server that stays in it: qmail-smtpd, if nothing else is said. */
export class Resident extends Scratch {
  readonly env: Record<string, string>;
  program = "qmail-smtpd";
  /** What follows the options. */
  arguments: string[] = [];
  child: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;
  port = 0;
  through: string[] = [];
  log = "";
  constructor() {
    super();
    this.write("control/me", "mx\n");
    this.write("control/rcpthosts", "d\ntest.example\n");
    this.env = { PATH: "/usr/bin:/bin", QMAILHOME: this.path, QMAILQUEUE: this.queueProgram() };
  }
  async start(...options: string[]): Promise<this> {
    const server = [join(bin, this.program), "--listen", "127.0.0.1:0", ...options, ...this.arguments];
    this.child = Bun.spawn([...this.through, ...server], {
      stdio: ["ignore", "ignore", "pipe"],
      env: this.env,
    });
    const reader = this.child.stderr.getReader();
    while (!this.log.includes("listening on")) {
      const { value } = await reader.read();
      if (value === undefined) throw new Error(`it did not start: ${this.log}`);
      this.log += Buffer.from(value).toString();
    }
    void (async () => {
      for (let part = await reader.read(); part.value !== undefined; part = await reader.read())
        this.log += Buffer.from(part.value).toString();
    })();
    this.port = Number(/:(\d+)\n/.exec(this.log)?.[1]);
    return this;
  }
  async stop(): Promise<number> {
    this.child?.kill("SIGTERM");
    return (await this.child?.exited) ?? -1;
  }
  rules(variables: Readonly<Record<string, string>>, denied = false, key = "127.0.0.1"): string {
    const maker = new CdbMaker();
    const words = Object.entries(variables).map(([name, value]) => `+${name}=${value}\0`);
    const record = maker.add(Buffer.from(key), Buffer.from(`${denied ? "D\0" : ""}${words.join("")}`));
    const tables = [...maker.tables()];
    return this.write("rules.cdb", Buffer.concat([maker.header(), record, ...tables]));
  }
  override [Symbol.dispose](): void {
    this.child?.kill("SIGKILL");
    super[Symbol.dispose]();
  }
}

/** A whole session; `single`: byte for byte. */
export const session = (port: number, input: Buffer, single = false): Promise<string> =>
  sessionWith({ port, single }, input.toString("latin1"));
