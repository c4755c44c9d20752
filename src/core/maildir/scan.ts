/** Reading a Maildir (maildir(5)): its messages in the order they came, and what is left over in its tmp. */
import { readdirSync, statSync, unlinkSync } from "node:fs";
import { isSystemError, type SystemError } from "../exit.ts";
import { type Found, filesIn } from "../sys/directory.ts";
import { errorText } from "../sys/errors.ts";

/** A message: its path below the Maildir, as bytes (`new/U`), when it was last changed, in seconds, and its size. */
export interface MaildirMessage {
  path: Buffer;
  modified: number;
  size: number;
}

/** Messages in 28 bytes each and their names, however many there are. */
export class MaildirList implements Iterable<MaildirMessage> {
  #length = 0;
  #paths = Buffer.allocUnsafeSlow(4096);
  /** Where each path begins; and, behind the last, where it ends. */
  #starts = new Uint32Array(64);
  #sizes = new Float64Array(64);
  #times = new Float64Array(64);
  #order: Uint32Array = new Uint32Array();

  get length(): number {
    return this.#length;
  }

  path(index: number): Buffer {
    const place = this.#order[index] ?? 0;
    return this.#paths.subarray(this.#starts[place], this.#starts[place + 1]);
  }

  size(index: number): number {
    return this.#sizes[this.#order[index] ?? 0] ?? 0;
  }

  *[Symbol.iterator](): Generator<MaildirMessage> {
    for (const [index, place] of this.#order.entries())
      yield { path: this.path(index), modified: this.#times[place] ?? 0, size: this.size(index) };
  }

  /** One more; then sort(). */
  add(folder: Buffer, { bytes, start, end, size, modified }: Found): void {
    const place = this.#length++;
    if (this.#length === this.#starts.length) this.#grow();
    const from = this.#starts[place] ?? 0;
    const to = from + folder.length + end - start;
    if (to > this.#paths.length) this.#paths = Buffer.concat([this.#paths], 2 * to);
    this.#paths.set(folder, from);
    bytes.copy(this.#paths, from + folder.length, start, end);
    this.#starts[place + 1] = to;
    this.#sizes[place] = size;
    this.#times[place] = modified;
  }

  sort(): void {
    this.#order = Uint32Array.from({ length: this.#length }, (_, place) => place);
    this.#order.sort((one, other) => this.#compare(one, other));
  }

  #compare(one: number, other: number): number {
    const times = this.#times;
    const starts = this.#starts;
    return (
      (times[one] ?? 0) - (times[other] ?? 0) ||
      this.#paths.compare(this.#paths, starts[other], starts[other + 1], starts[one], starts[one + 1])
    );
  }

  #grow(): void {
    const size = 2 * this.#starts.length;
    const larger = <Numbers extends Uint32Array | Float64Array>(to: Numbers, from: Numbers): Numbers => {
      to.set(from);
      return to;
    };
    this.#starts = larger(new Uint32Array(size), this.#starts);
    this.#sizes = larger(new Float64Array(size), this.#sizes);
    this.#times = larger(new Float64Array(size), this.#times);
  }
}

/** A folder of a Maildir that can not be read. Its message is the reason as the programs have always told it. */
export class UnreadableFolder extends Error {
  constructor(folder: string, cause: SystemError) {
    super(`unable to scan $MAILDIR/${folder}: ${errorText(cause.code)}`, { cause });
  }
}

/** Files in tmp that nobody touched for so long (36 hours, in seconds) are left of a delivery that died. */
const ossified = 129_600;
const dot = 46;

const now = (): number => Math.floor(Date.now() / 1000);

/** A path below a Maildir; without a slash where the Maildir is the current directory, the empty path. */
export function inMaildir(maildir: Uint8Array, path: Uint8Array | string): Buffer {
  const below = Buffer.from(path as string);
  return maildir.length === 0 ? below : Buffer.concat([maildir, Buffer.from("/"), below]);
}

/** Removes what is left over in tmp. What can not be looked at or removed stays. */
export function cleanTemporary(maildir: Uint8Array, time = now()): void {
  for (const path of quietly(() => namesIn(maildir, "tmp")) ?? [])
    quietly(() => {
      const full = inMaildir(maildir, path);
      if (time > Math.floor(statSync(full).atimeMs / 1000) + ossified) unlinkSync(full);
    });
}

/**
 * The messages in the folders, `new`, `cur` or both, the oldest first; those of the same second by name. One that
 * came in this very second is left for the next time, because others of that second may still come.
 * @throws UnreadableFolder
 */
export function scanMaildir(maildir: Uint8Array, folders: readonly string[], time = now()): MaildirList {
  const list = new MaildirList();
  for (const folder of folders)
    readable(folder, () => {
      const prefix = Buffer.from(`${folder}/`);
      for (const found of filesIn(inMaildir(maildir, folder)))
        if (found.modified < time) list.add(prefix, found);
    });
  list.sort();
  return list;
}

function readable<T>(folder: string, list: () => T): T {
  try {
    return list();
  } catch (failure) {
    throw isSystemError(failure) ? new UnreadableFolder(folder, failure) : failure;
  }
}

/** The names in a folder that do not begin with a dot, the folder before each. */
function namesIn(maildir: Uint8Array, folder: string): Buffer[] {
  const prefix = Buffer.from(`${folder}/`);
  return readdirSync(inMaildir(maildir, folder), { encoding: "buffer" })
    .filter((name) => name[0] !== dot)
    .map((name) => Buffer.concat([prefix, name]));
}

/** The result, or undefined if a system call failed: another reader of the Maildir was faster. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}
