/** The programs of others that this suite needs, and how they are run. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience } from "../helpers/patience.ts";
import { type Home, type Outcome, run } from "../scenarios/home.ts";

/** Where Postfix's test programs are, and the libraries they need; undefined if they are not here. */
function postfixPlace(): { place: string; libraries: string } | undefined {
  const found = Bun.spawnSync(["sh", join(import.meta.dir, "postfix.sh")]);
  const [place = "", libraries = ""] = found.stdout.toString().split("\n");
  return found.exitCode === 0 ? { place, libraries } : undefined;
}

const postfix = postfixPlace();

/** Postfix's programs, for `missing`. */
export const postfixTools = "Postfix's smtp-source (test/interop/postfix.sh fetch)";

/** The name of a group of tests, and whether it has to be skipped: one of the programs that it needs is not here. */
export function needing(title: string, ...programs: string[]): { name: string; skip: boolean } {
  const missing = programs.filter((program) =>
    program === postfixTools
      ? postfix === undefined
      : Bun.which(program, { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" }) === null,
  );
  const name = missing.length === 0 ? title : `${title} (needs ${missing.join(", ")})`;
  return { name, skip: missing.length > 0 };
}

/** A command of Postfix's, with what it needs in front. */
export function postfixCommand(program: string, ...words: string[]): string[] {
  if (postfix === undefined) throw new Error(`${program} is not here`);
  return ["env", `LD_LIBRARY_PATH=${postfix.libraries}`, join(postfix.place, "usr/sbin", program), ...words];
}

/** Runs a program to its end; throws if it fails. */
export async function succeed(command: string[], options: Parameters<typeof run>[1] = {}): Promise<Outcome> {
  const outcome = await run(command, options);
  if (outcome.code !== 0)
    throw new Error(`${command.join(" ")}: exit ${outcome.code}\n${outcome.stdout}${outcome.stderr}`);
  return outcome;
}

/** A port of 127.0.0.1 that nobody uses right now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Whether anybody listens there. */
function connects(port: number, host: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ port, host });
  for (const event of ["connect", "error"] as const)
    socket.on(event, () => {
      resolve(event === "connect");
      socket.destroy();
    });
  return promise;
}

/** A server that runs until stop(). */
export class Server {
  port = 0;
  log = "";
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;

  constructor(command: string[], environment: Readonly<Record<string, string>> = {}) {
    this.#child = Bun.spawn(command, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ...environment },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) void this.#follow(stream);
  }

  async #follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const bytes of stream) this.log += Buffer.from(bytes).toString("latin1");
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Waits for what it writes when it is ready; the port stands in the parentheses, if there are any. */
  async says(ready: RegExp): Promise<this> {
    await this.#until(() => ready.test(this.log));
    this.port = Number(ready.exec(this.log)?.[1] ?? 0);
    return this;
  }

  /** Waits until it answers on a port. */
  async answers(port: number, host = "127.0.0.1"): Promise<this> {
    this.port = port;
    await this.#until(() => connects(port, host));
    return this;
  }

  async #until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (const end = Date.now() + patience * 1000; !(await isSo()); await Bun.sleep(30))
      if (Date.now() > end || this.#child.exitCode !== null)
        throw new Error(`the server did not start: ${this.#child.exitCode}\n${this.log}`);
  }

  /** TERM, and waits for its end. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
  }
}

/** The two ways of serving all clients. */
export const ways = ["--listen", "tcpserver"] as const;

/** Starts a server of a home on a port of 127.0.0.1. */
export function serve(
  home: Home,
  way: (typeof ways)[number],
  program: string,
  ...words: string[]
): Promise<Server> {
  const path = home.at("bin", program);
  const environment = { QMAILHOME: home.path };
  if (way === "--listen") return listen(home, program, "127.0.0.1:0", ...words);
  const tcpserver = ["tcpserver", "-1HR", "-l0", "-c60", "-b128", "127.0.0.1", "0"];
  return new Server([...tcpserver, path, ...words], environment).says(/^(\d+)\n/m);
}

/** Starts a resident server of a home at an address. */
export function listen(home: Home, program: string, address: string, ...words: string[]): Promise<Server> {
  const command = [home.at("bin", program), "--listen", address, ...words];
  return new Server(command, { QMAILHOME: home.path }).says(/listening on .*:(\d+)\n/);
}

/** A directory that every user may write to, gone with `using`. */
export class OpenDirectory {
  readonly path = mkdtempSync(join(tmpdir(), "qmail-interop-"));
  constructor() {
    chmodSync(this.path, 0o777);
  }
  /** Paths of the files in it, or in a directory in it. */
  files(...below: string[]): string[] {
    const directory = join(this.path, ...below);
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(directory, entry.name))
      .sort();
  }
  /** What is in these files, a character for a byte. */
  texts(...below: string[]): string[] {
    return this.files(...below).map((path) => readFileSync(path, "latin1"));
  }
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Waits until the home's queue is empty and a user has `count` messages, or more; returns them all. */
export async function arrived(home: Home, user: string, count: number): Promise<string[]> {
  for (const end = Date.now() + patience * 1000; Date.now() < end; await Bun.sleep(50))
    if (home.maildir(user).length >= count && home.queued().length === 0) break;
  if (home.queued().length > 0) throw new Error(`the queue still has ${home.queued().length} files`);
  return home.messages(user);
}

/** The fields that a delivery and a server put in front of a message: how many bytes they are; -1 if there are others. */
export function trace(message: string): number {
  const fields =
    /^Return-Path: .*\nDelivered-To: .*\n(Received: \(qmail \d+ invoked .*\n)?(Received: from .*\n {2}by .*\n)?/;
  return fields.exec(message)?.[0].length ?? -1;
}

/** A message as it was sent, without the fields that it got on its way. */
export const asSent = (message: string): string => message.slice(trace(message));
