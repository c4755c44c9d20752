/**
 * Files of a directory that are read again only when they are others: for programs that stay, and look at the same few
 * names for every client. Most of these are not there, which the directory itself tells.
 */
import { lstatSync, readFileSync, type Stats, statSync } from "node:fs";
import { isSystemError } from "../exit.ts";

/** A file that was read: which it was, and its bytes. */
interface Kept {
  stat: Stats;
  bytes: Buffer;
}

/** What changed so short a while ago, in milliseconds, may change again without its times telling. */
const unsettled = 2000;

const status = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

/** Whether it is the same, unchanged; the time of its last change can not be set by anybody. */
export const isSame = (one: Stats, other: Stats): boolean =>
  one.ctimeMs === other.ctimeMs && one.ino === other.ino && one.size === other.size && one.dev === other.dev;

/** Whether the next change will show. */
export const isSettled = ({ ctimeMs }: Stats): boolean => Date.now() - ctimeMs > unsettled;

export class KeptFiles {
  readonly directory: string;
  readonly #files = new Map<string, Kept>();
  /** The directory when the absent names were looked for. */
  #seen: Stats | undefined;
  readonly #absent = new Set<string>();
  /** The directory has been looked at, and that counts for now. */
  #looked = false;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The directory is looked at once for all that `work` reads. */
  atOneMoment<Result>(work: () => Result): Result {
    this.#look();
    this.#looked = true;
    try {
      return work();
    } finally {
      this.#looked = false;
    }
  }

  /** The bytes; undefined: there is no such file. Any other trouble is thrown. */
  read(name: string): Buffer | undefined {
    const stat = this.status(name);
    if (stat === undefined) return undefined;
    const known = this.#files.get(name);
    if (known !== undefined && isSame(known.stat, stat)) return known.bytes;
    this.#files.delete(name);
    try {
      const bytes = readFileSync(this.#path(name));
      if (isSettled(stat)) this.#files.set(name, { stat, bytes });
      return bytes;
    } catch (failure) {
      if (isSystemError(failure, "ENOENT")) return undefined;
      throw failure;
    }
  }

  /** What stat(2) says; undefined: there is no such file. */
  status(name: string): Stats | undefined {
    if (!this.#looked) this.#look();
    if (this.#absent.has(name)) return undefined;
    const path = this.#path(name);
    const stat = status(path);
    // Where a link leads nowhere yet, the directory will not tell when it does.
    const isLink = stat === undefined && lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    if (stat === undefined && !isLink && this.#seen !== undefined) this.#absent.add(name);
    return stat;
  }

  #path(name: string): string {
    return `${this.directory}/${name}`;
  }

  /** Names that come into the directory, or leave it, change it. */
  #look(): void {
    const stat = status(this.directory);
    if (stat !== undefined && this.#seen !== undefined && isSame(stat, this.#seen)) return;
    this.#absent.clear();
    this.#seen = stat !== undefined && isSettled(stat) ? stat : undefined;
  }
}
