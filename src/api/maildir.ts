/**
 * Maildirs (maildir(5)): `import { Maildir } from "qmail-ts/maildir"`. Deliveries, other readers and this one may work
 * in the same Maildir at the same time; nothing is locked.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { isSystemError } from "../core/exit.ts";
import {
  below,
  byAge,
  deliver,
  type Found,
  lookAt,
  move,
  namesIn,
  piecesFrom,
  removeMessage,
} from "../core/maildir/async.ts";
import { safeHost } from "../core/maildir/name.ts";
import { Bell } from "../core/maildir/watch.ts";
import { syncDirectory } from "../core/sys/durable-async.ts";
import { mayPass } from "../core/sys/errors.ts";
import { type Bytes, type Cancellation, type Kind, type Message, QmailError } from "./message.ts";
import { bufferOf, piecesOf } from "./pieces.ts";

export { type Bytes, type Cancellation, type Kind, type Message, QmailError };

/** Where a message is: `new`, or `cur` when a reader has seen it. */
export type Folder = "new" | "cur";

/**
 * Something could not be done in a Maildir. `permanent`: it is not there, or the message is gone. The system's error is
 * the `cause`.
 */
export class MaildirError extends QmailError {
  override readonly name = "MaildirError";
}

/** How to watch. */
export interface WatchOptions {
  /** Ends the iteration when it is aborted. */
  signal?: Cancellation | undefined;
  /** Looks at least so often, in milliseconds, whether the system reports changes or not (NFS does not); default 10,000. */
  every?: number | undefined;
}

/** What separates the unique part of a name from its flags. */
const flagsMark = Buffer.from(":2,");

/** One message, as long as nobody removes it. */
export class MaildirMessage {
  readonly #maildir: Buffer;
  #place: { folder: Folder; name: Buffer };
  /** When it was last changed, which is when it came. */
  readonly modified: Date;
  /** In bytes. */
  readonly size: number;

  /** Maildir makes these. */
  constructor(
    maildir: Uint8Array,
    found: { folder: Folder; name: Uint8Array; modified: Date; size: number },
  ) {
    this.#maildir = bufferOf(maildir);
    this.#place = { folder: found.folder, name: bufferOf(found.name) };
    this.modified = found.modified;
    this.size = found.size;
  }

  /** The part of the name that stays the same for ever, one character a byte (latin1). */
  get id(): string {
    return uniquePart(this.#place.name).toString("latin1");
  }

  /** `new` as long as no reader has seen it, as far as we know. */
  get folder(): Folder {
    return this.#place.folder;
  }

  /** The letters behind `:2,`: D draft, F flagged, P passed on, R replied, S seen, T trashed. */
  get flags(): string {
    const { name } = this.#place;
    const mark = name.indexOf(flagsMark);
    return mark < 0 ? "" : name.toString("latin1", mark + flagsMark.length);
  }

  /** Path of its file, as bytes: names need not be UTF-8. */
  get path(): Uint8Array {
    return below(this.#maildir, this.#place.folder, this.#place.name);
  }

  /** The whole message. Where another reader has moved it, it is looked for. @throws MaildirError */
  async read(): Promise<Uint8Array> {
    return await this.#whereItIs("read", (path) => readFile(path));
  }

  /** The message in pieces of up to 64 KiB. Once it has begun, moving or removing it does no harm. @throws MaildirError */
  async *stream(): AsyncGenerator<Uint8Array, void> {
    const file = await this.#whereItIs("read", (path) => open(path));
    try {
      yield* piecesFrom(file);
    } catch (failure) {
      throw errorOf("read", this.#maildir, failure);
    } finally {
      await file.close();
    }
  }

  /**
   * Moves it to `cur`, where the messages are that a reader has seen, with these flags in place of those that it has.
   * Durable when the promise is kept. @throws MaildirError; RangeError for flags that are no letters
   */
  async moveToCur(flags = ""): Promise<void> {
    if (!/^[A-Za-z]*$/.test(flags)) throw new RangeError(`flags are letters: ${JSON.stringify(flags)}`);
    const letters = [...new Set(flags)].sort().join("");
    await this.#whereItIs("move", async () => {
      const name = Buffer.concat([uniquePart(this.#place.name), flagsMark, Buffer.from(letters)]);
      const place = { folder: "cur" as const, name };
      await move(this.#maildir, this.#place, place);
      this.#place = place;
    });
  }

  /** Removes it, durably. @throws MaildirError */
  async remove(): Promise<void> {
    await this.#whereItIs("remove", () => removeMessage(this.#maildir, this.#place));
  }

  /** Does something with the file; where another reader has given it another name, with that. */
  async #whereItIs<Result>(words: string, work: (path: Buffer) => Promise<Result>): Promise<Result> {
    const again = async (): Promise<Result> => await work(bufferOf(this.path));
    try {
      try {
        return await again();
      } catch (failure) {
        if (!isSystemError(failure, "ENOENT") || !(await this.#find())) throw failure;
        return await again();
      }
    } catch (failure) {
      throw errorOf(`${words} ${this.id}`, this.#maildir, failure);
    }
  }

  /** Looks for the message by the part of its name that stays; whether it is there under another name than before. */
  async #find(): Promise<boolean> {
    const unique = uniquePart(this.#place.name);
    for (const folder of ["cur", "new"] as const) {
      const name = (await namesIn(this.#maildir, folder)).find((other) => uniquePart(other).equals(unique));
      if (name === undefined) continue;
      this.#place = { folder, name };
      return true;
    }
    return false;
  }
}

function uniquePart(name: Buffer): Buffer {
  const colon = name.indexOf(":");
  return colon < 0 ? name : name.subarray(0, colon);
}

/** A Maildir. */
export class Maildir {
  readonly #path: Buffer;

  /** The directory that has `tmp`, `new` and `cur` in it. Nothing is looked at yet. */
  constructor(path: string | Uint8Array) {
    this.#path = bufferOf(path);
  }

  /** Makes a Maildir, durably, that only its owner reads, as maildirmake(1) does; what is there of it already stays. */
  static async create(path: string): Promise<Maildir> {
    try {
      const isNew = (await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined;
      if (isNew) await chmod(path, 0o700);
      for (const name of ["tmp", "new", "cur"])
        await mkdir(`${path}/${name}`, { recursive: true, mode: 0o700 });
      await syncDirectory(path);
      await syncParent(path);
    } catch (failure) {
      throw errorOf("make it", Buffer.from(path), failure);
    }
    return new Maildir(path);
  }

  /**
   * Delivers a message. When the promise is kept, the message is in `new`, whole, and survives a power cut. `header`
   * comes before the message: `Return-Path: <...>\\n`, for example.
   *
   * @throws MaildirError, or what reading the message throws, or the signal's reason; nothing was delivered then
   */
  async deliver(
    message: Message,
    { header = "", signal }: { header?: Bytes; signal?: Cancellation } = {},
  ): Promise<MaildirMessage> {
    const name = uniqueName();
    let failedReading: unknown;
    let size = 0;
    const counted = async function* (): AsyncGenerator<Buffer> {
      try {
        for await (const piece of withHeader(bufferOf(header), piecesOf(message, signal))) {
          size += piece.length;
          yield piece;
        }
      } catch (failure) {
        failedReading = failure;
        throw failure;
      }
    };
    try {
      await deliver(this.#path, name, counted());
    } catch (failure) {
      throw failure === failedReading ? failure : errorOf("deliver", this.#path, failure);
    }
    return new MaildirMessage(this.#path, {
      folder: "new",
      name: Buffer.from(name),
      modified: new Date(),
      size,
    });
  }

  /** The messages that are there now, the oldest first. @throws MaildirError */
  async messages(folders: Iterable<Folder> = ["new", "cur"]): Promise<MaildirMessage[]> {
    try {
      const found: Found[] = [];
      for (const folder of folders)
        found.push(...(await lookAt(this.#path, folder, await namesIn(this.#path, folder))));
      return found.sort(byAge).map((one) => new MaildirMessage(this.#path, one));
    } catch (failure) {
      throw errorOf("list it", this.#path, failure);
    }
  }

  /**
   * Every message in `new`, once each: those that are there, the oldest first, then each that comes. Goes on until the
   * loop is left or the signal aborted. Who moves or removes a message when it is done with it will not see it again
   * after a restart; who does not, will.
   *
   * @throws MaildirError where the Maildir can not be read (any more)
   */
  async *watch({ signal, every = 10_000 }: WatchOptions = {}): AsyncGenerator<MaildirMessage, void> {
    let bell: Bell | undefined;
    const ring = (): void => bell?.ring();
    const isOver = (): boolean => signal?.aborted === true;
    signal?.addEventListener("abort", ring);
    try {
      // Watched before it is read: what comes in between rings.
      bell = attempt("watch it", this.#path, () => new Bell(below(this.#path, "new"), every));
      for (let seen: ReadonlySet<string> = new Set(); !isOver(); await bell.wait()) {
        const { names, fresh } = await this.#unseen(seen);
        seen = names;
        for (const found of fresh) {
          if (isOver()) return;
          yield new MaildirMessage(this.#path, found);
        }
      }
    } finally {
      signal?.removeEventListener("abort", ring);
      bell?.close();
    }
  }

  /** All names in `new` now, and the messages that were not there before. */
  async #unseen(seen: ReadonlySet<string>): Promise<{ names: Set<string>; fresh: Found[] }> {
    try {
      const names = await namesIn(this.#path, "new");
      const keys = names.map((name) => name.toString("latin1"));
      const fresh = names.filter((_, index) => !seen.has(keys[index] ?? ""));
      return { names: new Set(keys), fresh: await lookAt(this.#path, "new", fresh) };
    } catch (failure) {
      throw errorOf("list it", this.#path, failure);
    }
  }
}

/** The directory around may be one that we can not read; the system writes it in its own time. */
async function syncParent(path: string): Promise<void> {
  try {
    await syncDirectory(dirname(path));
  } catch (failure) {
    if (!isSystemError(failure, "EACCES")) throw failure;
  }
}

async function* withHeader(header: Buffer, pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (header.length > 0) yield header;
  yield* pieces;
}

/** Tells this copy of the module from those of other threads, and of other packages, in the same process. */
const instance = randomBytes(6).toString("hex").toUpperCase();
let deliveries = 0;

/** A name that no other delivery has, as maildir(5) wants it. */
function uniqueName(): string {
  const unique = `P${process.pid}Q${++deliveries}R${instance}`;
  return `${Math.floor(Date.now() / 1000)}.${unique}.${safeHost(hostname())}`;
}

function attempt<Result>(words: string, maildir: Buffer, work: () => Result): Result {
  try {
    return work();
  } catch (failure) {
    throw errorOf(words, maildir, failure);
  }
}

/** The failure of a system call, in a Maildir; any other failure stays what it is. */
function errorOf(words: string, maildir: Buffer, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  const kind = cause.code === "ENOENT" || !mayPass(cause.code) ? "permanent" : "temporary";
  return new MaildirError(kind, `maildir ${maildir.toString()}: unable to ${words}: ${cause.code}`, {
    cause,
  });
}
