/** A private qmail home for a scenario: made by `qmail init`, started by its rc, removed at the end. */
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

/** The directory of the built programs. */
export const programs = resolve(process.env.QMAIL_TS_BIN ?? join(import.meta.dir, "../../dist/bin"));

export const host = "test.example";

/** A process group: the first process, everything it started, and so on. */
export class Group {
  readonly #leader: Bun.Subprocess;
  constructor(command: string[], environment: Record<string, string>, output: number | "ignore") {
    this.#leader = Bun.spawn(command, {
      stdio: ["ignore", output, output],
      env: environment,
      detached: true,
    });
  }

  /** Kills all of it at once, and waits until it is gone. */
  async kill(): Promise<void> {
    try {
      process.kill(-this.#leader.pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
    await this.#leader.exited;
    while (this.processes().length > 0) await Bun.sleep(2);
  }

  /** Sends a signal to the first process. */
  signal(signal: NodeJS.Signals): void {
    this.#leader.kill(signal);
  }

  /** Waits for the first process. */
  ended(): Promise<number> {
    return this.#leader.exited;
  }

  /** Numbers of all processes of the group that are not yet dead. */
  processes(): number[] {
    return processesOf(this.#leader.pid);
  }
}

/** Numbers of the live processes of a process group. */
export function processesOf(group: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isIn(name, group))
    .map(Number);
}

function isIn(pid: string, group: number): boolean {
  const stat = readProcess(pid, "stat");
  // pid (name) state parent group ...
  const [state, , of] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  return Number(of) === group && state !== "Z";
}

/** A file of a process; undefined once the process is gone. */
export function readProcess(pid: string | number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return undefined;
  }
}

/** What the open descriptors of a process lead to, a path or a name like `socket:[7]`; those closed meanwhile left out. */
export function openFiles(pid: string | number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

/** A private home with one user, who gets mail in a Maildir. */
export class PrivateHome {
  readonly path: string;
  readonly maildir: string;
  readonly user: string;
  readonly environment: Record<string, string>;
  #daemons: Group | undefined;

  /** `under`: the directory it is made in. */
  constructor(user = "joe", under = tmpdir()) {
    this.path = join(mkdtempSync(join(under, "qmail-home-")), "qmail");
    this.user = user;
    this.maildir = join(this.path, "mail", user, "Maildir");
    this.environment = { QMAILHOME: this.path, PATH: `${this.path}/bin:/usr/local/bin:/usr/bin:/bin` };
    this.run("qmail", "init", "--home", this.path, "--host", host);
    this.run("qmail", "user", "add", user);
  }

  /** Path of a program of the home. */
  program(name: string): string {
    return join(this.path, "bin", name);
  }

  /** Runs an administration program; throws if it fails. */
  run(name: string, ...words: string[]): string {
    const result = Bun.spawnSync([join(programs, name), ...words], { env: this.environment });
    if (result.exitCode !== 0) throw new Error(`${name} ${words.join(" ")}: ${result.stderr.toString()}`);
    return result.stdout.toString();
  }

  /** Starts the daemons; their log is `log` in the home. */
  start(): Group {
    const log = openSync(join(this.path, "log"), "a");
    this.#daemons = new Group([join(this.path, "rc")], this.environment, log);
    closeSync(log);
    return this.#daemons;
  }

  /** The files in the queue, by part; no files when every message is finished. */
  queued(): string[] {
    const root = join(this.path, "queue");
    return readdirSync(root)
      .filter((part) => part !== "lock")
      .flatMap((part) => filesBelow(join(root, part)));
  }

  /** The files of messages that are on their way: without mess files that are alone, which belong to no message. */
  pending(): string[] {
    const files = this.queued();
    const others = new Set(files.filter((file) => !isMess(file)).map((file) => basename(file)));
    return files.filter((file) => !isMess(file) || others.has(basename(file)));
  }

  /** Names of the messages in the Maildir. */
  delivered(): string[] {
    const box = join(this.maildir, "new");
    return lstatSync(box, { throwIfNoEntry: false }) ? readdirSync(box).map((name) => join(box, name)) : [];
  }

  /** Waits until nothing is pending and returns true; false after `seconds`. */
  drained(seconds: number): Promise<boolean> {
    return until(seconds, () => this.pending().length === 0);
  }

  /** Stops the daemons and removes the home. */
  async remove(): Promise<void> {
    await this.#daemons?.kill();
    rmSync(join(this.path, ".."), { recursive: true, force: true });
  }
}

const isMess = (file: string): boolean => file.includes("/queue/mess/");

/** Waits until it is so and returns true; false after `seconds`. Looks every `step` seconds. */
export async function until(seconds: number, isSo: () => boolean, step = 0.05): Promise<boolean> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await Bun.sleep(step * 1000))
    if (isSo()) return true;
  return isSo();
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}
