/** What the bench knows of a mail system, whichever it is. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { freshDirectory, type Kind, lastDirectory } from "../ground.ts";
import { Group } from "../group.ts";

/** Where mail for other domains goes, if that is wanted. */
export const relayPort = 2600;
/** The domain whose mail is local. */
export const domain = "test.example";
/** Who has a mailbox: one, one for warming up, twenty whose names smtp-source makes. */
export const one = "ann";
export const warm = "warm";
export const twenty: readonly string[] = Array.from({ length: 20 }, (_, n) => `${n}u`);
export const users: readonly string[] = [one, warm, ...twenty];

/** How many deliveries at once, and how many clients, every system is set to. */
export const deliveries = 100;

/** What a run needs of a system. */
export interface Setup {
  kind: Kind;
  /** Port of 127.0.0.1 where mail for other domains goes. */
  relay?: number;
  /** Addresses of 127.0.0.0/8 for some of the other domains, at the same port. */
  routes?: Readonly<Record<string, string>>;
  /** The most clients at once. */
  clients?: number;
  /** Lists by name: the addresses of each. */
  lists?: Readonly<Record<string, readonly string[]>>;
  /** Takes mail in and does nothing else with it, until deliver(). */
  intakeOnly?: boolean;
  /** Keeps all mail for other domains, and tries none. */
  hold?: boolean;
  /** Goes on with what the last run left. */
  again?: boolean;
}

/** Why a system is not measured. */
export class Unable extends Error {}

/** A mail system that can be started. */
export interface Peer {
  /** As the option names it. */
  key: string;
  /** With its version. */
  name: string;
  /** What was set, one thing a line. */
  settings: readonly string[];
  start(setup: Setup): Promise<System>;
  /** Where its programs are, for the start-up times; undefined if that is not measured. */
  programs: string | undefined;
}

/** A mail system that runs. */
export abstract class System {
  readonly group = new Group();
  readonly smtpPort = 2526;
  /** The directory of the run. */
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The Maildir of a user. */
  abstract maildir(user: string): string;
  /** The command that takes a message on descriptor 0 for the recipients that follow, and its environment. */
  abstract readonly sendmail: readonly string[];
  readonly environment: Readonly<Record<string, string>> = {};
  /** The command that takes a message for many, each with an envelope sender of its own, and its environment. */
  abstract verp(recipients: readonly string[]): { command: string[]; environment: Record<string, string> };
  /** Directories of the queue that hold a file for each message, and how a line of the log says that one was delivered. */
  protected abstract readonly queue: { directories: readonly string[]; log: string; success: string };
  /** The queue of a qmail, into which messages can be put as files. */
  readonly queueDirectory: string | undefined;
  /** The program that knows the queue. */
  abstract readonly manager: string;
  /** Begins to deliver, after intakeOnly. */
  abstract deliver(): Promise<void>;
  /** Makes everything due that waits in the queue of a qmail. */
  makeDue(): void {
    this.group.signal(this.manager, "SIGALRM");
  }
  /** Ends it. The files stay. */
  stop(): Promise<void> {
    return this.group.stop();
  }

  /** Messages in the queue, each once or more; 0 means that there is nothing left to do. */
  queued(): number {
    const { directories } = this.queue;
    return directories.reduce((sum, directory) => sum + filesBelow(join(this.directory, directory)), 0);
  }

  /** Successful deliveries, by the log. */
  successes(): number {
    const { log, success } = this.queue;
    return readFileSync(join(this.directory, log), "latin1").split(success).length - 1;
  }

  /** Deliveries to an address by the log of a qmail, which begins each with such a line; 0 elsewhere. */
  deliveriesTo(address: string): number {
    const log = readFileSync(join(this.directory, this.queue.log), "latin1");
    return log.split(` to local ${address}\n`).length - 1;
  }

  /** How many messages a user has. */
  count(user: string): number {
    return readdirSync(join(this.maildir(user), "new")).length;
  }

  /** When the newest message of the users came into its directory, in milliseconds: no file changes afterwards. */
  newest(names: readonly string[]): number {
    const times = names.flatMap((user) => this.messages(user).map((file) => statSync(file).ctimeMs));
    return times.reduce((most, time) => Math.max(most, time), 0);
  }

  /** Paths of the messages of a user. */
  messages(user: string): string[] {
    const directory = join(this.maildir(user), "new");
    return readdirSync(directory).map((name) => join(directory, name));
  }
}

/** control/smtproutes of any qmail. */
export const smtpRoutes = ({ relay, routes = {} }: Setup): string =>
  relay === undefined
    ? ""
    : [...Object.entries(routes), ["", "127.0.0.1"]].map(([host, to]) => `${host}:${to}:${relay}\n`).join("");

/** The directory of a run: empty, or that of the last. */
export const runDirectory = ({ kind, again = false }: Setup): string =>
  again ? lastDirectory(kind) : freshDirectory(kind);

/** Regular files below a directory; others may go while we look. */
function filesBelow(directory: string): number {
  let found = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    found += entry.isDirectory() ? filesBelow(join(directory, entry.name)) : 1;
  return found;
}

/** Waits until it is so; throws with the words after some seconds. */
export async function until(words: string, isSo: () => boolean, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !isSo(); await Bun.sleep(10))
    if (Date.now() > end) throw new Error(`bench: waited ${seconds} s in vain: ${words}`);
}

/** Waits until somebody answers on a port of 127.0.0.1. */
export async function answers(port: number): Promise<void> {
  for (const end = Date.now() + 20_000; ; await Bun.sleep(20)) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (socket) => {
          resolve(true);
          socket.end();
        },
        close: () => resolve(false),
      },
    }).catch(() => resolve(false));
    if (await promise) return;
    if (Date.now() > end) throw new Error(`bench: nobody answers on port ${port}`);
  }
}
