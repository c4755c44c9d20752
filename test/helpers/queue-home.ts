/** A home with an empty queue, for tests that submit to it with the built qmail-queue. */
import { chmodSync, chownSync, closeSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { bin, Scratch } from "./built.ts";
import { layOutQueue } from "./layout.ts";

export const nobody = 65534;
export const isRoot = process.geteuid?.() === 0;

/** What the tests submit where it does not matter what. */
export const message = "Subject: x\n\nbody\n";
export const envelope = "Fa@b\0Tc@d\0\0";

/** How a submission differs from the plain one. */
export interface Submission {
  message?: string | Uint8Array;
  envelope?: string;
  /** Words before the program: `strace`, `sh -c`, ... */
  through?: readonly string[];
  env?: Readonly<Record<string, string>>;
}

export class QueueHome extends Scratch {
  /** Who the queue belongs to and who submits, where that can not be root. */
  readonly #uid: number | undefined;

  /** `plainUser`: if we are root, the queue belongs to nobody, and so does who submits. */
  constructor(plainUser = false, under?: string) {
    super(under);
    chmodSync(this.path, 0o755);
    layOutQueue(this.in("queue"), false);
    this.#uid = plainUser && isRoot ? nobody : undefined;
    if (this.#uid !== undefined) for (const path of this.everything()) chownSync(path, nobody, nobody);
  }

  /** The queue and all that is in it, directories before what they hold. */
  everything(): string[] {
    const names = readdirSync(this.in("queue"), { recursive: true }) as string[];
    return [this.in("queue"), ...names.sort().map((name) => this.in("queue", name))];
  }

  /** Files in the queue that a submission makes, or leaves: paths relative to the queue. */
  left(): string[] {
    const entries = readdirSync(this.in("queue"), { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("/lock"))
      .map((entry) => join(entry.parentPath, entry.name).slice(this.in("queue").length + 1))
      .sort();
  }

  /** Runs qmail-queue to its end; returns its exit code or signal. */
  async submit(how: Submission = {}): Promise<number | string> {
    const inputs = [
      this.write("submitted-message", how.message ?? message),
      this.write("submitted-envelope", how.envelope ?? envelope),
    ].map((path) => openSync(path, "r"));
    const child = this.start(how, inputs[0] ?? 0, inputs[1] ?? 1);
    for (const fd of inputs) closeSync(fd);
    await child.exited;
    return child.signalCode ?? child.exitCode ?? -1;
  }

  /** Starts qmail-queue on two descriptors. */
  start({ through = [], env = {} }: Submission, message: number | "pipe", envelope: number) {
    return Bun.spawn([...through, join(bin, "qmail-queue")], {
      stdio: [message, envelope as unknown as "ignore", "inherit"],
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin", QMAILHOME: this.path, ...env },
      ...(this.#uid === undefined ? {} : { uid: this.#uid, gid: this.#uid }),
    });
  }
}
