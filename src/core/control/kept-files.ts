/**
 * Files of a directory that are read again only when they are others: for programs that stay, and look at the same few
 * names for every client. Most of these are not there, which the directory itself tells.
 */
import { lstatSync, readFileSync, type Stats, statSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { isSame, isSettled, Kept } from "../sys/kept.ts";

const status = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

export class KeptFiles {
  readonly directory: string;
  readonly #files = new Map<string, Kept<Buffer>>();
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
    const kept = this.#files.get(name) ?? new Kept<Buffer>();
    this.#files.set(name, kept);
    try {
      return kept.of(stat, () => readFileSync(this.#path(name)));
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
