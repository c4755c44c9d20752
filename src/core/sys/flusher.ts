/**
 * Flushes that do not block: a thread of its own waits for the disk. While it waits for a whole file system, files are
 * another's.
 */
import type { Pointer } from "bun:ffi";
import { closeSync, constants, openSync, statSync } from "node:fs";
import { constants as os } from "node:os";
import { syncfsTells } from "./durable.ts";
import { momentOf, turnWords } from "./flush-turns.ts";
import { qmailHome } from "./home.ts";
import { beginWriting, systemError } from "./libc.ts";
import { sharedWords, wordsAt } from "./shared-words.ts";

/** What the thread is told. */
export interface FlushOrder {
  number: number;
  /**
   * A directory, open, of the file system that is flushed whole, and since when: somebody else's flush does as well that
   * began after this moment, as the words there say (flush-turns.ts).
   */
  fileSystem: { path: string; fd: number; moment: number; turns: Pointer | undefined } | undefined;
  /** Files that are flushed, or with a whole file system are begun with. */
  files: readonly number[];
  /** A second name for a file, given between the files and the directories. */
  link: { from: string; to: string } | undefined;
  directories: readonly string[];
}

/** What it answers. */
export interface FlushResult {
  number: number;
  /** The name of the errno of what failed. */
  code: string | undefined;
}

/** Where the thread's code is: beside this file, or in the executable under the name that scripts/build.ts gave it. */
function script(): string {
  const compiled = import.meta.url.includes("/$bunfs/");
  return compiled
    ? "/$bunfs/root/src/core/sys/flush-worker.js"
    : new URL("./flush-worker.ts", import.meta.url).href;
}

export class Flusher {
  readonly #worker: Worker;
  /** Made when it is needed, which is where the disk is slow. */
  #second: Worker | undefined;
  /** Flushes of everything that are under way. */
  #whole = 0;
  readonly #fileSystem: { path: string; fd: number };
  readonly #pending = new Map<number, { resolve: () => void; reject: (failure: Error) => void }>();
  #next = 0;
  #failure: Error | undefined;
  /** Where those of this user who flush this file system take turns. */
  readonly #turns: Pointer | undefined;
  readonly #words: Int32Array | undefined;
  /** Flushes the whole file system, at least what was complete at that moment; undefined where that promises nothing. */
  readonly all: ((moment: number, files: readonly number[]) => Promise<void>) | undefined;

  /**
   * `directories`: where everything is that is to be flushed; on more than one file system there is no flushing all. The
   * process may write to the first one (mustTakeWrites).
   */
  constructor(directories: readonly [string, ...string[]]) {
    const [path] = directories;
    this.#fileSystem = { path, fd: openSync(path, constants.O_RDONLY | constants.O_DIRECTORY) };
    const { dev } = statSync(path);
    const uid = process.geteuid?.();
    // Where every role has a user of its own, few share anything, and nothing of theirs is elsewhere.
    const isPrivate = statSync(qmailHome(), { throwIfNoEntry: false })?.uid === uid;
    this.#turns = isPrivate ? sharedWords(`/dev/shm/qmail-flush-${uid}-${dev}`, turnWords) : undefined;
    this.#words = this.#turns === undefined ? undefined : wordsAt(this.#turns, turnWords);
    this.#worker = this.#thread();
    const isOne = directories.every((path) => statSync(path).dev === dev);
    this.all = isOne && syncfsTells() ? (moment, files) => this.fileSystem(moment, files) : undefined;
  }

  /** Whether the thread is gone: nothing can be flushed any more. */
  get isDead(): boolean {
    return this.#failure !== undefined;
  }

  /** The present moment: what is complete now is durable when a flush has ended that began later. */
  get moment(): number {
    return this.#words === undefined ? 0 : momentOf(this.#words);
  }

  /** Flushes all of the first directory's file system, for what that promises (syncfsTells); these files are what is most of it. */
  async fileSystem(moment: number, files: readonly number[]): Promise<void> {
    this.#whole++;
    try {
      await this.#order(this.#worker, {
        files,
        fileSystem: { ...this.#fileSystem, moment, turns: this.#turns },
      });
    } finally {
      this.#whole--;
    }
  }

  /** Has the disk begin with files; waits for nothing. */
  begin(files: readonly number[]): void {
    for (const fd of files) beginWriting(fd);
  }

  /** Flushes these files, and the names in these directories. */
  each({ files, directories }: { files: readonly number[]; directories: readonly string[] }): Promise<void> {
    return this.#order(this.#free(), { files, directories });
  }

  /** Flushes a file, then gives it a second name, then flushes the names of that directory: one errand. */
  publish(file: number, link: { from: string; to: string }, directory: string): Promise<void> {
    return this.#order(this.#free(), { files: [file], link, directories: [directory] });
  }

  /** Ends the threads. */
  close(): void {
    this.#worker.terminate();
    this.#second?.terminate();
    this.#failed("nobody needs it any more");
  }

  #thread(): Worker {
    const worker = new Worker(script());
    worker.onmessage = ({ data }: MessageEvent<FlushResult>) => this.#answered(data);
    worker.onerror = ({ message }) => this.#failed(message);
    return worker;
  }

  /** A thread that does not wait for everything. */
  #free(): Worker {
    if (this.#whole === 0) return this.#worker;
    this.#second ??= this.#thread();
    return this.#second;
  }

  #order(worker: Worker, order: Partial<FlushOrder>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const number = this.#next++;
    this.#pending.set(number, { resolve, reject });
    const none = { fileSystem: undefined, files: [], link: undefined, directories: [] };
    worker.postMessage({ ...none, ...order, number } satisfies FlushOrder);
    return promise;
  }

  #answered({ number, code }: FlushResult): void {
    const pending = this.#pending.get(number);
    this.#pending.delete(number);
    if (code === undefined) pending?.resolve();
    else pending?.reject(systemError("flush", os.errno[code as keyof typeof os.errno] ?? 0));
  }

  /** The thread is gone, and nothing is known of what it had to do. */
  #failed(message: string): void {
    if (this.#failure !== undefined) return;
    closeSync(this.#fileSystem.fd);
    this.#failure = new Error(`the thread that flushes has ended: ${message}`);
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}
