/** A mail system that is started again whenever it ends, as under supervise(8), with a load; and what befalls it. */
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Scratch } from "../helpers/built.ts";
import { Group, PrivateHome, readProcess, until } from "../helpers/home.ts";
import { Load, prepareHome } from "./load.ts";
import { type Found, lookFor } from "./mailbox.ts";
import { drain, recoverQueue } from "./recover.ts";

/** Milliseconds from an end to the next start. */
const pause = 200;

/** Messages that must come through before, and after, something befalls it. */
const enough = 20;

/** Seconds to wait for them, on a busy machine. */
const patience = 60;

export interface How {
  /** The program that gets the log, with its arguments; default: the file `log` in the home. */
  logger?: readonly string[];
  /** Variables of the daemons. */
  environment?: Record<string, string>;
  /** What to do with the home before all. */
  prepare?: (home: PrivateHome) => void;
}

export class Supervised {
  /** How often it was started. */
  starts = 0;
  readonly #home: PrivateHome;
  readonly #command: string[];
  readonly #environment: Record<string, string>;
  #group: Group;
  #stopping = false;
  readonly #watched: Promise<void>;

  constructor(home: PrivateHome, { logger = [], environment }: How = {}) {
    this.#home = home;
    // rc starts everything in an environment of its own.
    const start = environment === undefined ? ["rc"] : ["bin/qmail-start", "./Maildir/"];
    this.#command = [join(home.path, start[0] ?? ""), ...start.slice(1), ...logger];
    this.#environment = { ...home.environment, ...environment };
    this.#group = this.#start();
    this.#watched = this.#watch();
  }

  #start(): Group {
    this.starts++;
    const log = openSync(join(this.#home.path, "log"), "a");
    const group = new Group(this.#command, this.#environment, log);
    closeSync(log);
    return group;
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.#group.ended();
      if (!this.#stopping) await Bun.sleep(pause);
      if (this.#stopping) return;
      this.#group = this.#start();
    }
  }

  get group(): Group {
    return this.#group;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#group.signal("SIGTERM");
    await this.#watched;
    await this.#group.kill();
  }
}

/** The living processes below a home that run with this word. */
export function running(home: PrivateHome, word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readProcess(pid, "environ")?.includes(`QMAILHOME=${home.path}\0`) === true)
    .filter((pid) => readProcess(pid, "cmdline")?.includes(word) === true)
    .map(Number);
}

export interface World {
  home: PrivateHome;
  load: Load;
  system: Supervised;
  /** Waits until so many more messages were taken. */
  more: (count?: number) => Promise<void>;
}

export interface Aftermath extends Found {
  left: string[];
  log: string;
  starts: number;
}

/**
 * `befall` happens while mail comes in. Afterwards mail must come in as before; it is worked off without restarts or
 * new attempts where nothing was killed.
 */
export async function underLoad(befall: (world: World) => Promise<void>, how: How = {}): Promise<Aftermath> {
  using scratch = new Scratch();
  const home = new PrivateHome();
  try {
    prepareHome(home);
    how.prepare?.(home);
    const system = new Supervised(home, how);
    const load = new Load(home, scratch.path);
    const more = async (count = enough): Promise<void> => {
      const before = load.acknowledged.length;
      if (!(await until(patience, () => load.acknowledged.length >= before + count)))
        throw new Error(`only ${load.acknowledged.length - before} messages were taken\n${logOf(home)}`);
    };
    await load.start();
    await more();
    await befall({ home, load, system, more });
    await more();
    await load.stop();
    await drain(home, system.group);
    await system.stop();
    const { left } = await recoverQueue(home);
    return { ...lookFor(home, load.acknowledged), left, log: logOf(home), starts: system.starts };
  } finally {
    await home.remove();
  }
}

const logOf = (home: PrivateHome): string => readFileSync(join(home.path, "log"), "latin1");
