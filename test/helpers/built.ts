/** Running the built programs, for tests about one of them. */
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { watchMemory } from "./memory.ts";

/** Where the built programs are: $QMAIL_TS_BIN or dist/bin. */
export const bin = resolve(process.env.QMAIL_TS_BIN ?? join(import.meta.dir, "../../dist/bin"));

/** How to run a program. */
export interface Run {
  args?: readonly string[];
  /** Bytes (perhaps in a file without name), or a file that is opened for reading. */
  stdin?: Uint8Array | { file: string };
  /** The whole environment, beside PATH. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  uid?: number;
}

/** What a program did. Output has one character a byte. */
export interface Result {
  code: number | null;
  signal: string | undefined;
  stdout: string;
  stderr: string;
  /** The most memory it used, in bytes. */
  memory: number;
}

/** Runs a built program to its end. */
export async function run(program: string, how: Run = {}): Promise<Result> {
  const { args = [], stdin = new Uint8Array(), env = {}, cwd } = how;
  const file = "file" in stdin ? openSync(stdin.file, "r") : undefined;
  const child = Bun.spawn([join(bin, program), ...args], {
    stdio: [file ?? (stdin as Uint8Array), "pipe", "pipe"],
    env: { PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(how.uid === undefined ? {} : { uid: how.uid, gid: how.uid }),
  });
  const peak = watchMemory(child.pid);
  if (file !== undefined) closeSync(file);
  const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
  await child.exited;
  return {
    code: child.exitCode,
    signal: child.signalCode === null ? undefined : String(child.signalCode),
    stdout: Buffer.from(stdout).toString("latin1"),
    stderr: Buffer.from(stderr).toString("latin1"),
    memory: peak(),
  };
}

/** A scratch directory, gone at the end of the test: `using scratch = new Scratch()`. */
export class Scratch {
  readonly path: string;
  constructor(under = tmpdir()) {
    this.path = mkdtempSync(join(under, "qmail-ts-"));
  }
  /** Path of something in it. */
  in(...names: string[]): string {
    return join(this.path, ...names);
  }
  /** Writes a file and the directories above it; returns its path. */
  write(name: string, content: string | Uint8Array, mode = 0o644): string {
    mkdirSync(dirname(this.in(name)), { recursive: true });
    writeFileSync(this.in(name), content, { mode });
    return this.in(name);
  }
  /** What is in a file, one character a byte. */
  read(name: string): string {
    return readFileSync(this.in(name), "latin1");
  }
  /** A queue program that keeps what it gets in the files `queued-message` and `queued-envelope`, and exits with `code`. */
  queueProgram(code = 0): string {
    const script = `#!/bin/sh\ncat >'${this.in("queued-message")}'\ncat <&1 >'${this.in("queued-envelope")}'\nexit ${code}\n`;
    return this.write("queue-program", script, 0o755);
  }
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
