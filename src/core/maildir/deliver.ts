/**
 * Delivery to a Maildir (maildir(5)): the message is written to `tmp`, and appears in `new` when it is complete.
 *
 *   create tmp/U, write it     a power cut leaves an unreadable file in tmp, which readers remove after 36 hours
 *   barrier: fsync tmp/U       from here on the content survives
 *   link tmp/U to new/U        the message is complete or absent, never torn
 *   barrier: fsync new         from here on the name survives; only now may anybody say that it was delivered
 *   unlink tmp/U               need not be durable: a second name in tmp does no harm
 *
 * A failure after the link leaves new/U where it is: at worst the message comes twice.
 */
import { closeSync, constants, linkSync, openSync, statSync, unlinkSync } from "node:fs";
import { isSystemError, type SystemError } from "../exit.ts";
import { syncDirectory, syncFile } from "../sys/durable.ts";
import { readSome, writeAll } from "../sys/fd.ts";
import { uniqueName } from "./name.ts";

/** At which step a delivery failed. Every failure is temporary, but `directory` with an errno that does not pass. */
export type MaildirStep = "directory" | "write" | "read" | "timeout";

/** A failed delivery. Nothing is left behind in `tmp`. */
export class MaildirFailure extends Error {
  readonly step: MaildirStep;
  override readonly cause: SystemError | undefined;
  constructor(step: MaildirStep, cause?: SystemError) {
    super(`maildir: ${step}${cause ? `: ${cause.message}` : ""}`);
    this.step = step;
    this.cause = cause;
  }
}

/** A delivery takes no longer, in seconds, because readers remove files from tmp after 36 hours. */
const limit = 86400;
const attempts = 3;
const chunk = 65536;

/** The message: all of it, or a descriptor from which all that is still to be read is. */
export type Source = Uint8Array | number;

/**
 * Delivers `header` and everything that is still to be read from descriptor `message`; seeking it to its beginning
 * is the caller's. Returns when the message is durable, with its path below the Maildir (`new/U`).
 * @throws MaildirFailure
 */
export function deliverToMaildir(
  directory: string | Uint8Array,
  header: Uint8Array,
  message: number,
): string {
  const delivery = new MaildirDelivery(directory, header, message);
  try {
    duringWrite(() => syncFile(delivery.file));
    delivery.link();
    duringWrite(() => syncDirectory(delivery.folder));
    return delivery.path;
  } finally {
    delivery.end();
  }
}

/** A delivery whose barriers are its caller's, who may have many: in this order, and end() always. */
export class MaildirDelivery {
  /** The written file: a barrier for it comes before link(). */
  readonly file: number;
  /** The directory `new`: a barrier for its names comes after link(). */
  readonly folder: Buffer;
  /** `new/U`. */
  readonly path: string;
  /** The names in `tmp` and `new`, for who gives it the second one otherwise than by link(). */
  readonly names: { from: Buffer; to: Buffer };
  #open = true;

  /** Writes the file. @throws MaildirFailure, with nothing left in `tmp` */
  constructor(directory: string | Uint8Array, header: Uint8Array, message: Source) {
    const below = (path: string): Buffer => Buffer.concat([Buffer.from(directory), Buffer.from(`/${path}`)]);
    const { fd, name } = createTemporary(below);
    this.file = fd;
    this.folder = below("new");
    this.path = `new/${name}`;
    this.names = { from: below(`tmp/${name}`), to: below(this.path) };
    try {
      if (typeof message === "number") copy(header, message, fd);
      else duringWrite(() => writeAll(fd, Buffer.concat([header, message])));
    } catch (failure) {
      this.end();
      throw failure;
    }
  }

  /** Shows the message to readers. @throws MaildirFailure */
  link(): void {
    duringWrite(() => {
      this.#close();
      linkSync(this.names.from, this.names.to);
    });
  }

  /**
   * Removes the name in tmp; if that fails, readers do it after 36 hours. How the delivery went is known by now, so that
   * a close that fails tells nothing more.
   */
  end(): void {
    if (this.#open) quietly(() => this.#close());
    quietly(() => unlinkSync(this.names.from));
  }

  #close(): void {
    this.#open = false;
    closeSync(this.file);
  }
}

type Below = (path: string) => Buffer;

/** Makes a new file in tmp. A name that is taken means a clock gone back: the next one has another number. */
function createTemporary(below: Below): { fd: number; name: string } {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  for (let attempt = 1; ; attempt++) {
    const name = uniqueName();
    try {
      return { fd: openSync(below(`tmp/${name}`), flags, 0o600), name };
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      if (failure.code === "EEXIST" && attempt < attempts) continue;
      // "." can be looked up only where chdir(2) would work, too.
      during("directory", () => statSync(below(".")));
      throw new MaildirFailure("write", failure);
    }
  }
}

function copy(header: Uint8Array, from: number, to: number): void {
  const deadline = performance.now() + limit * 1000;
  duringWrite(() => writeAll(to, header));
  const buffer = Buffer.allocUnsafe(chunk);
  for (;;) {
    const length = during("read", () => readSome(from, buffer));
    if (length === 0) return;
    if (performance.now() > deadline) throw new MaildirFailure("timeout");
    duringWrite(() => writeAll(to, buffer.subarray(0, length)));
  }
}

function during<T>(step: MaildirStep, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    throw isSystemError(failure) ? new MaildirFailure(step, failure) : failure;
  }
}

/** A step of writing that failed. */
export const duringWrite = <T>(work: () => T): T => during("write", work);

function quietly(work: () => void): void {
  try {
    work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}
