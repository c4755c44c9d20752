/** POP3 on a large Maildir: one connection, as qmail-pop3d serves it under tcpserver. */
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Figures, Workload } from "../bench.ts";
import { clear, freshDirectory } from "../ground.ts";
import { Group } from "../group.ts";
import { answers, type Peer, Unable } from "../peers/peer.ts";
import { message } from "../pure/text.ts";

const [standard, port] = [50_000, 2110];
/** Whose mailbox it is: qmail-pop3d does not work for root. */
const reader = 3001;

/** A connection that sends lines and waits for the end of answers. */
class Client {
  #socket: Bun.Socket | undefined;
  #chunks = "";
  #check: () => void = () => {};
  #lost = "";

  async open(): Promise<void> {
    this.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => {
          this.#chunks += bytes.toString("latin1");
          this.#check();
        },
        close: () => {
          this.#lost = "bench: the POP3 server closed the connection";
          this.#check();
        },
      },
    });
  }

  /** Sends a line, if there is one, and waits for an answer that ends so; milliseconds until then. */
  async ask(line: string | undefined, end: string): Promise<{ answer: string; taken: number }> {
    const start = performance.now();
    this.#chunks = "";
    if (line !== undefined) this.#socket?.write(`${line}\r\n`);
    await new Promise<void>((resolve, reject) => {
      this.#check = () => {
        if (this.#chunks.startsWith("-") || (this.#lost !== "" && !this.#chunks.endsWith(end)))
          reject(new Error(this.#lost || `bench: POP3: ${this.#chunks}`));
        else if (this.#chunks.endsWith(end)) resolve();
      };
      this.#check();
    });
    return { answer: this.#chunks, taken: performance.now() - start };
  }
}

async function round({ programs }: Peer, bench: Bench): Promise<Figures> {
  if (programs === undefined) throw new Unable("it has no POP3 server");
  if (Bun.which("tcpserver") === null) throw new Unable("tcpserver is not here");
  const count = bench.quick ? standard / 10 : standard;
  const maildir = join(freshDirectory("ext4"), "Maildir");
  for (const part of ["new", "cur", "tmp"]) mkdirSync(join(maildir, part), { recursive: true });
  for (const part of ["", "new", "cur", "tmp"]) chownSync(join(maildir, part), reader, reader);
  for (let number = 0; number < count; number++)
    writeFileSync(join(maildir, "new", `${1700000000 + number}.${number}.host`), message(1000, `m${number}`));
  const group = new Group();
  try {
    group.spawn([
      "tcpserver",
      "-HRl0",
      `-u${reader}`,
      `-g${reader}`,
      "127.0.0.1",
      `${port}`,
      join(programs, "qmail-pop3d"),
      maildir,
    ]);
    await answers(port);
    await group.rest();
    const before = group.processor();
    const memory = group.watchMemory(20);
    const client = new Client();
    const start = performance.now();
    await client.open();
    await client.ask(undefined, "\r\n");
    const greeting = performance.now() - start;
    const stat = await client.ask("STAT", "\r\n");
    if (!stat.answer.startsWith(`+OK ${count} `)) throw new Error(`bench: STAT says ${stat.answer.trim()}`);
    const uidl = await client.ask("UIDL", "\r\n.\r\n");
    const lines = uidl.answer.split("\r\n").length - 3;
    if (lines !== count) throw new Error(`bench: UIDL has ${lines} lines`);
    const first = await client.ask("RETR 1", "\r\n.\r\n");
    const last = await client.ask(`RETR ${count}`, "\r\n.\r\n");
    const most = memory();
    await client.ask("QUIT", "\r\n");
    await group.rest();
    const { user, system } = group.processor();
    return {
      greeting,
      stat: stat.taken,
      uidl: uidl.taken,
      first: first.taken,
      last: last.taken,
      processor: (user + system - before.user - before.system) * 1000,
      memory: most / 2 ** 20,
    };
  } finally {
    await group.stop();
    clear("ext4");
  }
}

export const pop3: Workload = {
  name: "pop3",
  about: `POP3 on a Maildir of ${standard} messages of 1 kB on ext4: qmail-pop3d under tcpserver, one connection`,
  figures: [
    { key: "greeting", title: "connection to greeting, ms", digits: 1, better: "less" },
    { key: "stat", title: "STAT, ms", digits: 1, better: "less" },
    { key: "uidl", title: "UIDL, ms", digits: 1, better: "less" },
    { key: "first", title: "RETR of the first, ms", digits: 1, better: "less" },
    { key: "last", title: "RETR of the last, ms", digits: 1, better: "less" },
    { key: "processor", title: "processor time of the connection, ms", digits: 0, better: "less" },
    { key: "memory", title: "peak memory (PSS), MiB", digits: 1, better: "less" },
  ],
  round,
};
