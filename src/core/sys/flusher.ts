/** Flushes that do not block: a thread of its own waits for the disk. */
import { constants, openSync, statSync } from "node:fs";
import { constants as os } from "node:os";
import { syncfsTells } from "./durable.ts";
import { systemError } from "./libc.ts";

/** What the thread is told. */
export interface FlushOrder {
  number: number;
  /** A descriptor on the file system that is flushed whole. */
  fileSystem: number | undefined;
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
  readonly #fileSystem: number;
  readonly #pending = new Map<number, { resolve: () => void; reject: (failure: Error) => void }>();
  #next = 0;
  #failure: Error | undefined;
  /** Flushes the whole file system; undefined where that promises nothing. */
  readonly all: (() => Promise<void>) | undefined;

  /** `directories`: where everything is that is to be flushed; on more than one file system there is no flushing all. */
  constructor(directories: readonly [string, ...string[]]) {
    this.#fileSystem = openSync(directories[0], constants.O_RDONLY | constants.O_DIRECTORY);
    this.#worker = new Worker(script());
    this.#worker.onmessage = ({ data }: MessageEvent<FlushResult>) => this.#answered(data);
    this.#worker.onerror = ({ message }) => this.#failed(message);
    const isOne = new Set(directories.map((path) => statSync(path).dev)).size === 1;
    this.all = isOne && syncfsTells() ? () => this.fileSystem() : undefined;
  }

  /** Whether the thread is gone: nothing can be flushed any more. */
  get isDead(): boolean {
    return this.#failure !== undefined;
  }

  /** Flushes all of the first directory's file system, for what that promises (syncfsTells). */
  fileSystem(): Promise<void> {
    return this.#order({ fileSystem: this.#fileSystem });
  }

  /** Flushes these files, and the names in these directories. */
  each({ files, directories }: { files: readonly number[]; directories: readonly string[] }): Promise<void> {
    return this.#order({ files, directories });
  }

  /** Flushes a file, then gives it a second name, then flushes the names of that directory: one errand. */
  publish(file: number, link: { from: string; to: string }, directory: string): Promise<void> {
    return this.#order({ files: [file], link, directories: [directory] });
  }

  /** Ends the thread. */
  close(): void {
    this.#worker.terminate();
  }

  #order(order: Partial<FlushOrder>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const number = this.#next++;
    this.#pending.set(number, { resolve, reject });
    const none = { fileSystem: undefined, files: [], link: undefined, directories: [] };
    this.#worker.postMessage({ ...none, ...order, number } satisfies FlushOrder);
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
    this.#failure = new Error(`the thread that flushes has ended: ${message}`);
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}
