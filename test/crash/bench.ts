/** A private home in which programs run under faults, and the accounts of what became of the messages. */
import { readdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { host, PrivateHome, programs } from "../helpers/home.ts";
import { prepareHome, recipientOf, textOf, wayOf } from "./load.ts";
import { lookFor } from "./mailbox.ts";
import { recoverQueue } from "./recover.ts";

export const sender = `joe@${host}`;

/** Of these the queue's parts have so many, instead of 23. */
export const folders = 3;

/** How one run ended. */
export interface Run {
  /** An exit code or the name of a signal; `hung` if it had to be killed. */
  end: number | string;
  /** What is wrong with it; empty: nothing. */
  complaints: string[];
  duplicated?: number;
  /** Somebody was told that the message is taken, or delivered. */
  acknowledged?: boolean;
  /** What became of it, where that is more than its end and whether it was acknowledged. */
  outcome?: string;
}

/** What became of the messages of some runs. */
export interface Settled {
  complaints: string[];
  duplicated: number;
  /** Whether the system had to be started again. */
  restarted: boolean;
}

export class Bench extends PrivateHome {
  #next = 0;
  #hasPassword = false;
  /** Messages of which nobody has looked what became of them: whether each was acknowledged. */
  readonly #open = new Map<number, boolean>();

  constructor() {
    super();
    prepareHome(this);
    this.#narrow();
  }

  /** A queue with few folders: a program goes through each of them with the same calls. */
  #narrow(): void {
    for (const part of ["mess", "info", "local", "remote"])
      for (const name of readdirSync(join(this.path, "queue", part)))
        if (Number(name) >= folders) rmdirSync(join(this.path, "queue", part, name));
  }

  /** Path of a built program. */
  built(name: string): string {
    return join(programs, name);
  }

  /** Path of a file beside the home, for inputs and traces. */
  beside(name: string): string {
    return join(this.path, "..", name);
  }

  /** The user's password for POP3. */
  password(): string {
    if (!this.#hasPassword) {
      const words = [this.program("qmail"), "user", "passwd", this.user];
      const { exitCode, stderr } = Bun.spawnSync(words, {
        stdin: Buffer.from("secret\n"),
        env: this.environment,
      });
      if (exitCode !== 0) throw new Error(stderr.toString());
      this.#hasPassword = true;
    }
    return "secret";
  }

  /** A new message of that way: its number, text, recipient. */
  message(way: ReturnType<typeof wayOf>): { number: number; text: string; to: string } {
    for (this.#next++; wayOf(this.#next) !== way; ) this.#next++;
    const number = this.#next;
    this.#open.set(number, false);
    return { number, text: textOf(number), to: recipientOf(number) };
  }

  /** Somebody was told that it is taken. */
  acknowledged(number: number): void {
    this.#open.set(number, true);
  }

  /** Works the queue off without faults, and says what is wrong with the messages since the last time. */
  async settle(): Promise<Settled> {
    const restarted = this.queued().length > 0;
    const { left } = await recoverQueue(this, true);
    const taken = [...this.#open].filter(([, acknowledged]) => acknowledged).map(([number]) => number);
    const found = lookFor(this, taken);
    const complaints = [
      ...(found.lost > 0 ? [`${found.lost} of ${taken.length} acknowledged messages are lost`] : []),
      ...(found.torn > 0 ? [`${found.torn} messages are torn`] : []),
      ...(left.length > 0 ? [`left in the queue: ${left.join(" ")}`] : []),
    ];
    this.#open.clear();
    for (const path of left) rmSync(path, { force: true, recursive: true });
    for (const part of ["new", "tmp"])
      for (const name of readdirSync(join(this.maildir, part))) rmSync(join(this.maildir, part, name));
    return { complaints, duplicated: found.duplicated, restarted };
  }

  /** Makes one of the home's programs run behind these words; undo() takes it back. */
  wrap(name: string, words: readonly string[]): () => void {
    const path = this.program(name);
    rmSync(path);
    const script = [...words, this.built(name)].map((word) => `'${word}'`).join(" ");
    writeFileSync(path, `#!/bin/sh\nexec ${script} "$@"\n`, { mode: 0o755 });
    return () => {
      rmSync(path);
      symlinkSync(this.built(name), path);
    };
  }
}
