/**
 * A private home for a test, and the mail system running in it: the built executables, set up and started as a person
 * would. Every home lies in a directory of its own, which dispose() removes.
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { patience } from "../helpers/patience.ts";

/** Directory of the executables under test. */
export const programs = resolve(process.env.QMAIL_TS_BIN ?? join(import.meta.dir, "../../dist/bin"));

/** How a program ended and what it wrote. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Where and as whom to run something. */
export interface RunOptions {
  stdin?: string | Uint8Array;
  environment?: Record<string, string>;
  directory?: string;
  /** Become this user first; only root can. */
  as?: { uid: number; gid: number };
}

/** Runs a program to its end; a signal shows as 128 and more, as in sh. */
export async function run(command: string[], options: RunOptions = {}): Promise<Outcome> {
  const child = Bun.spawn(command, {
    stdin: Buffer.from(options.stdin ?? ""),
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env.PATH ?? "", ...options.environment },
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
    ...options.as,
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** What makeHome is told. */
export interface HomeOptions {
  /** Mail users beside the owner. */
  users?: string[];
  /** Default `mail.example`. */
  host?: string;
  /** Given to this user by `qmail init --user`; only root can. */
  user?: string;
  /** An empty place for it; default: one below the temporary directory. */
  path?: string;
}

/** A private home. */
export class Home {
  readonly path: string;
  readonly host: string;
  /** The mail user who owns it. */
  readonly owner: string;
  readonly #scratch: string | undefined;

  constructor(path: string, host: string, owner: string, scratch: string | undefined) {
    this.path = path;
    this.host = host;
    this.owner = owner;
    this.#scratch = scratch;
  }

  /** A path below the home. */
  at(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** Runs one of its programs. */
  run(program: string, args: string[] = [], options: RunOptions = {}): Promise<Outcome> {
    const environment = { QMAILHOME: this.path, ...options.environment };
    return run([this.at("bin", program), ...args], { ...options, environment });
  }

  /** Injects a message by qmail-inject; the recipients are arguments. */
  inject(message: string | Uint8Array, recipients: string[], options: RunOptions = {}): Promise<Outcome> {
    return this.run("qmail-inject", recipients, { stdin: message, ...options });
  }

  /** Paths of what is in a mail user's Maildir. */
  maildir(name: string): string[] {
    return ["new", "cur"].flatMap((part) => {
      const directory = this.at("mail", name, "Maildir", part);
      return existsSync(directory) ? readdirSync(directory).map((file) => join(directory, file)) : [];
    });
  }

  /** The messages in a mail user's Maildir, byte for byte a character. */
  messages(name: string): string[] {
    return this.maildir(name).map((path) => readFileSync(path, "latin1"));
  }

  /** Every file below a directory of the queue, relative to the queue; of all that hold messages by default. */
  queued(...directories: string[]): string[] {
    const kinds = ["mess", "intd", "todo", "info", "local", "remote", "bounce"];
    return (directories.length > 0 ? directories : kinds).flatMap((kind) =>
      readdirSync(this.at("queue", kind), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(this.at("queue").length + 1)),
    );
  }

  /** Removes it. */
  dispose(): void {
    rmSync(this.#scratch ?? this.path, { recursive: true, force: true });
  }
}

/** Makes a private home; throws with what `qmail init` said if that fails. */
export async function makeHome(options: HomeOptions = {}): Promise<Home> {
  const scratch = options.path === undefined ? mkdtempSync(join(tmpdir(), "qmail-home-")) : undefined;
  if (scratch !== undefined) chmodSync(scratch, 0o755);
  const path = options.path ?? join(scratch ?? "", "home");
  const host = options.host ?? "mail.example";
  const qmail = async (...args: string[]) => {
    const { code, stdout, stderr } = await run([join(programs, "qmail"), ...args]);
    if (code !== 0) throw new Error(`qmail ${args.join(" ")}: exit ${code}: ${stderr}`);
    return stdout;
  };
  const user = options.user === undefined ? [] : ["--user", options.user];
  await qmail("init", "--home", path, "--host", host, ...user);
  if (options.users !== undefined && options.users.length > 0)
    await qmail("user", "add", "--home", path, ...options.users);
  const [first = ""] = (await qmail("user", "list", "--home", path)).split("\t");
  return new Home(path, host, first, scratch);
}

/** Waits until `condition` holds; throws with the words if it never does. */
export async function until(words: string, condition: () => boolean, seconds = patience): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${seconds} seconds in vain: ${words}`);
    await Bun.sleep(15);
  }
}

/** A mail system that runs. */
export class Running {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  #log = "";
  readonly #read: Promise<unknown>;

  constructor(home: Home) {
    // A session of its own, so that killAll reaches every daemon and nobody else.
    this.#child = Bun.spawn([home.at("rc")], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH ?? "" },
      detached: true,
    });
    this.#read = Promise.all([this.#follow(this.#child.stdout), this.#follow(this.#child.stderr)]);
  }

  async #follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const bytes of stream) this.#log += Buffer.from(bytes).toString("latin1");
  }

  /** Process number of qmail-send. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether qmail-send has ended. */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What was logged so far. */
  get log(): string {
    return this.#log;
  }

  /** Waits for a log line. */
  async logged(pattern: RegExp | string): Promise<void> {
    const there = () => (typeof pattern === "string" ? this.#log.includes(pattern) : pattern.test(this.#log));
    try {
      await until(`log line ${pattern}`, there);
    } catch (failure) {
      throw new Error(`${failure}\nthe log:\n${this.#log}`);
    }
  }

  /** Sends qmail-send a signal. */
  signal(name: NodeJS.Signals): void {
    process.kill(this.#child.pid, name);
  }

  /** Ends it as an administrator would: TERM to qmail-send, and waits. Returns the exit code. */
  async stop(): Promise<number> {
    if (!this.ended) this.signal("SIGTERM");
    const code = await this.#child.exited;
    await this.#read;
    return code;
  }

  /** kill -9 to every daemon at once. */
  async killAll(): Promise<void> {
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // They are gone already.
    }
    await this.#child.exited;
    await this.#read;
  }
}

/** Starts the mail system of a home and waits until qmail-send has said something; throws if it ends before that. */
export async function startHome(home: Home): Promise<Running> {
  const running = new Running(home);
  await until("qmail-send speaks or ends", () => running.log.includes("\n") || running.ended);
  if (running.ended) throw new Error(`the mail system ended: exit ${await running.stop()}\n${running.log}`);
  return running;
}
