/** Postfix's smtp-source and smtp-sink: the clients and the other hosts of the throughput rounds. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { scratch } from "../ground.ts";
import { answers } from "../peers/peer.ts";
import type { Unpacked } from "../peers/postfix.ts";
import { sinkMessages } from "../pure/counters.ts";

/** A load: messages over sessions that stay as long as a message takes. */
export interface Load {
  port: number;
  sessions: number;
  messages: number;
  /** Bytes of a message. */
  size: number;
  to: string;
  /** Recipients of each message: N before the name of `to`, where there are more than one. */
  recipients?: number;
}

export class Tools {
  readonly #unpacked: Unpacked;
  constructor(unpacked: Unpacked) {
    this.#unpacked = unpacked;
  }

  #command(program: string): { words: string[]; env: Record<string, string> } {
    const { place, libraries } = this.#unpacked;
    return { words: [join(place, "usr/sbin", program)], env: { LD_LIBRARY_PATH: libraries } };
  }

  /** Sends a load and waits until all of it is acknowledged; throws if one is refused. One connection per message. */
  async send({ port, sessions, messages, size, to, recipients = 1 }: Load): Promise<void> {
    const { words, env } = this.#command("smtp-source");
    const numbers = ["-s", `${sessions}`, "-m", `${messages}`, "-l", `${size}`, "-r", `${recipients}`];
    const rest = ["-f", "bench@test.example", "-t", to, `127.0.0.1:${port}`];
    const child = Bun.spawn([...words, "-4", ...numbers, ...rest], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
    if (code !== 0 || said !== "") throw new Error(`bench: smtp-source: exit ${code}: ${said.trim()}`);
  }

  /** Starts a host that takes all mail, at every address of ours. */
  async sink(port: number): Promise<Sink> {
    const { words, env } = this.#command("smtp-sink");
    const log = join(scratch, `sink-${port}`);
    const command = [...words, "-4", "-c", "-u", "nobody", `:${port}`, "1024"];
    const output = openSync(log, "w");
    const child = Bun.spawn(command, { env, stdio: ["ignore", output, "ignore"] });
    closeSync(output);
    await answers(port);
    return new Sink(child, log);
  }
}

/** A running smtp-sink. */
export class Sink {
  readonly #child: Bun.Subprocess;
  readonly #log: string;
  constructor(child: Bun.Subprocess, log: string) {
    this.#child = child;
    this.#log = log;
  }

  /** Messages that it has taken. */
  count(): number {
    return sinkMessages(readFileSync(this.#log, "latin1").slice(-200));
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
  }
}
