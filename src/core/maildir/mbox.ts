/**
 * Delivery to an mbox (mbox(5)): the message is appended under a lock, and made durable before anybody says that it
 * was delivered. What was written of a message that could not be written whole is taken off again. The format is not
 * crash-proof: a power cut while a message is appended may leave a part of it, which only a Maildir avoids.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from "node:fs";
import { isSystemError, type SystemError } from "../exit.ts";
import { pause } from "../sys/clock.ts";
import { syncDirectory, syncFile } from "../sys/durable.ts";
import { readSome, Writer } from "../sys/fd.ts";
import { tryLockExclusive } from "../sys/lock.ts";
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
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
  const fd = during("open", () => openSync(name, flags, 0o600));
  try {
    const locked = lock(fd);
    const size = during("write", () => fstatSync(fd).size);
    try {
      append(fd, header, message);
      during("write", () => {
        syncFile(fd);
        // An empty file may be a new one, whose name is not durable yet.
        if (size === 0) syncDirectory(parent(name));
      });
    } catch (failure) {
      if (locked) restore(fd, size);
      throw failure;
    }
  } finally {
    closeSync(fd);
  }
}

/** Waits for the lock. False: this file can not be locked, and is written all the same, as ever. */
function lock(fd: number): boolean {
  for (const deadline = Date.now() + lockSeconds * 1000; ; pause(lockPause)) {
    try {
      if (tryLockExclusive(fd)) return true;
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      return false;
    }
    if (Date.now() > deadline) throw new MboxFailure("lock");
  }
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

function parent(path: Buffer): Buffer {
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
