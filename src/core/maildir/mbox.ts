/**
 * Delivery to an mbox (mbox(5)): the message is appended under a lock, and made durable before anybody says that it
 * was delivered. What was written of a message that could not be written whole is taken off again. The format is not
 * crash-proof: a power cut while a message is appended may leave a part of it, which only a Maildir avoids.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync } from "node:fs";
import { isSystemError, type SystemError } from "../exit.ts";
import { pause } from "../sys/clock.ts";
import { syncDirectory, syncFile } from "../sys/durable.ts";
import { readSome, Writer } from "../sys/fd.ts";
import { tryLockExclusive } from "../sys/lock.ts";
import { asPath } from "../sys/path.ts";
import { FromQuoter } from "./from.ts";

/** At which step a delivery failed; `lock` means that another process held the lock for 30 seconds. */
export type MboxStep = "open" | "lock" | "read" | "write";

/** A failed delivery. The mbox is as it was. */
export class MboxFailure extends Error {
  readonly step: MboxStep;
  override readonly cause: SystemError | undefined;
  constructor(step: MboxStep, cause?: SystemError) {
    super(`mbox: ${step}${cause ? `: ${cause.message}` : ""}`);
    this.step = step;
    this.cause = cause;
  }
}

const lockSeconds = 30;
const lockPause = 50;
const chunk = 65536;

/**
 * Appends `header` (the From_ line and what else comes first) and everything that is still to be read from
 * descriptor `message`, with `From ` lines quoted and an empty line at the end. Creates the file (mode 0600).
 * @throws MboxFailure
 */
export function appendToMbox(path: string | Uint8Array, header: Uint8Array, message: number): void {
  const name = Buffer.from(path);
  const { fd, locked } = openLocked(name, lockSeconds);
  try {
    const size = during("write", () => fstatSync(fd).size);
    try {
      // An empty file may be a new one. Its name is made durable first: whoever finds something in it can rely on that.
      if (size === 0) during("write", () => syncDirectory(directoryOf(name)));
      append(fd, header, message);
      during("write", () => syncFile(fd));
    } catch (failure) {
      if (locked) restore(fd, size);
      throw failure;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens an mbox for appending, creates it if need be, and waits for its lock. Who waited may have got the lock of a
 * file that has been replaced meanwhile: then the new one is opened.
 * @returns `locked` is false if this file can not be locked (ENOLCK): as ever, it is written all the same
 * @throws MboxFailure
 */
export function openLocked(path: Buffer, seconds: number): { fd: number; locked: boolean } {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
  for (const deadline = performance.now() + seconds * 1000; ; ) {
    const fd = during("open", () => openSync(asPath(path), flags, 0o600));
    try {
      const locked = lock(fd, deadline);
      if (!locked || during("open", () => isStill(path, fd))) return { fd, locked };
    } catch (failure) {
      closeSync(fd);
      throw failure;
    }
    closeSync(fd);
  }
}

function lock(fd: number, deadline: number): boolean {
  for (; ; pause(lockPause)) {
    try {
      if (tryLockExclusive(fd)) return true;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return false;
    }
    if (performance.now() > deadline) throw new MboxFailure("lock");
  }
}

/** Whether the path leads to the open file. */
function isStill(path: Buffer, fd: number): boolean {
  const open = fstatSync(fd, { bigint: true });
  const named = statSync(path, { bigint: true, throwIfNoEntry: false });
  return named?.ino === open.ino && named.dev === open.dev;
}

function append(fd: number, header: Uint8Array, message: number): void {
  const out = new Writer(fd);
  const write = (pieces: readonly Uint8Array[]): void =>
    during("write", () => {
      for (const piece of pieces) out.write(piece);
    });
  const quoter = new FromQuoter();
  const buffer = Buffer.allocUnsafe(chunk);
  write([header]);
  for (;;) {
    const length = during("read", () => readSome(message, buffer));
    if (length === 0) break;
    write(quoter.push(buffer.subarray(0, length)));
  }
  write([...quoter.end(), Buffer.from("\n")]);
  during("write", () => out.flush());
}

/** Takes off what was appended. If even that fails, there is nothing more to be done about it here. */
function restore(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}

/** The directory a file is in. */
export function directoryOf(path: Buffer): Buffer {
  const slash = path.lastIndexOf(47);
  return slash < 0 ? Buffer.from(".") : path.subarray(0, Math.max(slash, 1));
}

function during<T>(step: MboxStep, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    throw isSystemError(failure) ? new MboxFailure(step, failure) : failure;
  }
}
