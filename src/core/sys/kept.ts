/** What a program that stays has made of a file, kept for as long as the file does not change. */
import type { Stats } from "node:fs";

/** A file that changed so short a while ago, in milliseconds, may change again without its times telling. */
const unsettled = 2000;

/** Which file it was, and when it changed last: a time that nobody can set. */
type Seen = Readonly<Pick<Stats, "ctimeMs" | "ino" | "size" | "dev">>;

/** Whether it is the same file, unchanged. */
export const isSame = (one: Seen, other: Seen): boolean =>
  one.ctimeMs === other.ctimeMs && one.ino === other.ino && one.size === other.size && one.dev === other.dev;

/** Whether anything that is kept of it can count later: the next change will show. */
export const isSettled = ({ ctimeMs }: Pick<Stats, "ctimeMs">): boolean => Date.now() - ctimeMs > unsettled;

export class Kept<Made> {
  #seen: Seen | undefined;
  #made: Made | undefined;

  /** What was made of the file that has this status now; made anew where it is another one. */
  of(status: Stats, make: () => Made): Made {
    if (this.#seen !== undefined && isSame(this.#seen, status)) return this.#made as Made;
    const made = make();
    const keep = isSettled(status);
    const { ctimeMs, ino, size, dev } = status;
    this.#seen = keep ? { ctimeMs, ino, size, dev } : undefined;
    this.#made = keep ? made : undefined;
    return made;
  }
}
