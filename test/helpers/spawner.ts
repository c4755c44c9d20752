/** Plays qmail-send for a spawner: a private qmail home, the two descriptors, and the reports as they come. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  decodeSlot,
  encodeSlot,
  type SlotWidth,
  widthVariable,
} from "../../src/core/delivery/slot-number.ts";
import { layOutQueue } from "./layout.ts";

export const programs = resolve(process.env.QMAIL_TS_BIN ?? join(import.meta.dir, "../../dist/bin"));

/** A private home with a queue of its own. Belongs to whoever runs the tests. */
export class PrivateHome {
  readonly path = mkdtempSync(join(tmpdir(), "qmail-spawner-"));

  constructor() {
    // Deliveries as other users, where root runs the tests, have to get in.
    chmodSync(this.path, 0o755);
    for (const name of ["bin", "control", "users", "out"]) mkdirSync(join(this.path, name));
    chmodSync(join(this.path, "out"), 0o777);
    layOutQueue(join(this.path, "queue"), false);
    for (const name of ["qmail-lspawn", "qmail-rspawn", "qmail-newu", "qmail-getpw"])
      symlinkSync(join(programs, name), join(this.path, "bin", name));
    this.write("queue/mess/7/30", "Subject: s\n\nbody\n");
  }

  write(path: string, content: string, mode = 0o644): void {
    // What is there may be a link to a program.
    rmSync(join(this.path, path), { force: true });
    writeFileSync(join(this.path, path), content);
    chmodSync(join(this.path, path), mode);
  }

  /** A shell script in the place of one of the home's programs. */
  script(name: string, text: string): void {
    this.write(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755);
  }

  /** Writes users/assign and compiles it with qmail-newu. */
  assign(...lines: string[]): void {
    this.write("users/assign", [...lines, ".", ""].join("\n"));
    const result = Bun.spawnSync([join(this.path, "bin/qmail-newu")], { env: this.environment() });
    if (result.exitCode !== 0) throw new Error(result.stderr.toString());
  }

  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { PATH: "/usr/bin:/bin", QMAILHOME: this.path, ...more };
  }

  start(program: string, args: string[] = [], more: Readonly<Record<string, string>> = {}): Spawner {
    return new Spawner([join(this.path, "bin", program), ...args], this.environment(more));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A running qmail-lspawn or qmail-rspawn. */
export class Spawner {
  readonly #width: SlotWidth;
  readonly #child;
  readonly #reports: AsyncGenerator<Buffer>;

  constructor(command: string[], env: Record<string, string>) {
    this.#width = env[widthVariable] === "2" ? 2 : 1;
    this.#child = Bun.spawn(command, { stdio: ["pipe", "pipe", "inherit"], env });
    this.#reports = pieces(this.#child.stdout, this.#width);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get exited(): Promise<number> {
    return this.#child.exited;
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array | string): Promise<void> {
    this.#child.stdin.write(bytes);
    await this.#child.stdin.flush();
  }

  /** Asks for a delivery of the message 7/30. */
  async deliver(
    delivery: number,
    recipient: Uint8Array | string,
    sender: Uint8Array | string = "a@b",
    message = "7/30",
  ): Promise<void> {
    const fields = [message, sender, recipient].flatMap((field) => [Buffer.from(field), Buffer.of(0)]);
    await this.send(Buffer.concat([encodeSlot(delivery, this.#width), ...fields]));
  }

  /** The next report: delivery number and text. */
  async report(): Promise<[number, string]> {
    const { value } = await this.#reports.next();
    if (value === undefined) throw new Error("no more reports");
    return [decodeSlot(value, this.#width), value.toString("latin1", this.#width)];
  }

  /** Nobody listens to the reports any more. */
  async deafen(): Promise<void> {
    await this.#reports.return(Buffer.alloc(0));
  }

  /** Ends the commands and waits for the exit code. */
  async end(): Promise<number> {
    await this.#child.stdin.end();
    return await this.#child.exited;
  }
}

/** Cuts reports at their NULs, behind the beginning of the stream (the spawn limit) and each report's number. */
async function* pieces(stream: ReadableStream<Uint8Array>, width: SlotWidth): AsyncGenerator<Buffer> {
  let kept = Buffer.alloc(0);
  let limitSeen = false;
  for await (const piece of stream) {
    kept = Buffer.concat([kept, piece]);
    if (!limitSeen && kept.length >= width) {
      limitSeen = true;
      kept = kept.subarray(width);
    }
    for (let end = kept.indexOf(0, width); end > 0; end = kept.indexOf(0, width)) {
      yield kept.subarray(0, end);
      kept = kept.subarray(end + 1);
    }
  }
}
