/**
 * What was ordered for messages and lasts: held, or to be removed or bounced as soon as nothing is under way for them.
 * Each has a file queue/hold/ID, so that it holds over a restart. The file tells which message it means: the number of
 * one that is gone may be another's.
 */
import { isSystemError } from "../exit.ts";
import { type QueueDisk, recordsOf } from "./files.ts";
import { IdSet } from "./id-set.ts";

/** The directory, relative to the queue. It is there where orders were ever given. */
export const holdDirectory = "hold";

const lasting = ["hold", "remove", "bounce"] as const;

/** What can be lasting. */
export type Lasting = (typeof lasting)[number];

/** An end that waits; `text` is why, for a bounce. */
export interface Doom {
  verb: "remove" | "bounce";
  text: string;
  identity: string;
}

/** All of them. Held messages cost a number each. */
export class Holds {
  readonly #disk: QueueDisk;
  readonly #held = new IdSet();
  readonly #doomed = new Map<bigint, Doom>();

  constructor(disk: QueueDisk) {
    this.#disk = disk;
  }

  /** Reads what an earlier process left. Marks of messages that are gone are removed. Throws a SystemError. */
  load(): void {
    this.#held.clear();
    this.#doomed.clear();
    for (const name of this.#disk.names(holdDirectory)) if (/^[1-9]\d*$/.test(name)) this.#read(BigInt(name));
  }

  /** Whether no recipient of it is to be tried. */
  has(id: bigint): boolean {
    return this.#held.has(id) || this.#doomed.has(id);
  }

  isHeld(id: bigint): boolean {
    return this.#held.has(id);
  }

  doom(id: bigint): Doom | undefined {
    return this.#doomed.get(id);
  }

  /** The messages whose end waits. */
  doomed(): bigint[] {
    return [...this.#doomed.keys()];
  }

  /** Writes a mark; it is durable after a barrier over the path returned. */
  mark(id: bigint, identity: string, verb: Lasting, text = ""): string {
    const path = this.#disk.path("hold", id);
    this.#disk.replace(path, `v${verb}\0i${identity}\0t${text}\0`);
    if (verb === "hold") {
      this.#held.add(id);
    } else {
      this.#held.delete(id);
      this.#doomed.set(id, { verb, text, identity });
    }
    return path;
  }

  /** Takes a mark away, if there is one; whether there was. */
  drop(id: bigint): boolean {
    if (!this.has(id)) return false;
    this.forget(id);
    this.erase(id);
    return true;
  }

  /** Nothing lasts for it any more; its mark stays. */
  forget(id: bigint): void {
    this.#held.delete(id);
    this.#doomed.delete(id);
  }

  #read(id: bigint): void {
    const mark = readMark(this.#disk, id);
    if (mark === undefined || mark.identity !== this.#disk.identity(id)) this.erase(id);
    else if (mark.verb === "hold") this.#held.add(id);
    else this.#doomed.set(id, { ...mark, verb: mark.verb });
  }

  /** Removes the mark's file. */
  erase(id: bigint): void {
    try {
      this.#disk.remove(this.#disk.path("hold", id));
    } catch (failure) {
      if (!isSystemError(failure, "ENOENT")) throw failure;
    }
  }
}

/** A mark as it stands in its file. */
export interface Mark {
  verb: Lasting;
  identity: string;
  text: string;
}

/** undefined: there is none, or only part of one, whose order is still in queue/ask. */
export function readMark(disk: QueueDisk, id: bigint): Mark | undefined {
  const path = disk.path("hold", id);
  if (disk.status(path) === undefined) return undefined;
  const records = recordsOf(disk, path);
  const field = (letter: string): string | undefined =>
    records.find((record) => record.startsWith(letter))?.slice(1);
  const verb = lasting.find((known) => known === field("v"));
  const [identity, text] = [field("i"), field("t")];
  return verb === undefined || identity === undefined || text === undefined
    ? undefined
    : { verb, identity, text };
}
