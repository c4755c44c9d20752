/**
 * A message on its way into the queue, and the states of qmail's INTERNALS it goes through:
 *
 *   create pid/P            the file system gives it an inode number: that is the message's id
 *   link to mess/N/ID       state S2 once pid/P is removed
 *   write mess/N/ID
 *   create intd/ID          state S3
 *   write intd/ID
 *   barrier: fsync mess/N/ID, intd/ID and the directory mess/N
 *   link intd/ID todo/ID    state S4: qmail-send may see it
 *   barrier: fsync the directory todo
 *   success
 *
 * A power cut up to the link leaves at most S2 or S3, which qmail-send clears away after 36 hours; nobody was told
 * that the message was taken. From the link on, todo/ID may or may not have survived, but where it did, the first
 * barrier promises that the message, its name and the envelope did, too. After the second barrier it has survived.
 * The names in pid and intd need no barrier of their own: pid/P is swept, and S4 does not need intd/ID.
 *
 * A failure up to the link undoes everything. A failure of the last barrier undoes nothing, since qmail-send may
 * have begun with the message: the sender will try again, and at worst it comes twice.
 */
import { closeSync, constants, fstatSync, ftruncateSync, linkSync, openSync, unlinkSync } from "node:fs";
import { Exit, isSystemError } from "../exit.ts";
import { syncDirectory, syncFile } from "../sys/durable.ts";
import { Writer } from "../sys/fd.ts";
import { attempt, queueExit } from "./codes.ts";
import type { Barrier } from "./group.ts";
import { queuePath, queueRoot } from "./paths.ts";

const attempts = 9;

/** A file of the entry, open for writing. */
interface File {
  path: string;
  fd: number;
  out: Writer;
  closed: boolean;
}

/** One message in the queue, until it is linked into todo. Every failure is an Exit with a code of qmail-queue(8). */
export class Entry {
  /** The message's number: the inode number of its file in mess. */
  readonly id: bigint;
  readonly #mess: File;
  #intd: File | undefined;
  #linked = false;

  /** Makes the message's file. `started` is the time in seconds; it is a part of the name in pid. */
  constructor(started: number) {
    const file = createPidFile(started);
    const pid = file.path;
    try {
      this.id = attempt(queueExit.pid, () => inodeNumber(file.fd));
      this.#mess = file;
      attempt(queueExit.mess, () => {
        const mess = queuePath("mess", this.id);
        linkSync(pid, mess);
        file.path = mess;
      });
      attempt(queueExit.pid, () => unlinkSync(pid));
    } catch (failure) {
      undo(file);
      if (file.path !== pid) undo({ ...file, path: pid });
      closeQuietly(file);
      throw failure;
    }
  }

  /** More of the message. */
  message(piece: Uint8Array | string): void {
    attempt(queueExit.write, () => this.#mess.out.write(piece));
  }

  /** The message is complete; the envelope begins. */
  beginEnvelope(): void {
    attempt(queueExit.write, () => this.#mess.out.flush());
    this.#intd = attempt(queueExit.intd, () => createEnvelopeFile(this.id));
  }

  /** More of the envelope; after beginEnvelope(). */
  envelope(piece: Uint8Array | string): void {
    attempt(queueExit.write, () => this.#intd?.out.write(piece));
  }

  /** Hands the entry over to qmail-send. When it returns, a power cut can not take the message away any more. */
  commit(): void {
    const [before, after] = [this.#complete(), todoBarrier()];
    attempt(queueExit.write, () => syncNow(before));
    this.#link();
    attempt(queueExit.write, () => syncNow(after));
    this.#close();
  }

  /** As commit(), with barriers that others share. */
  async commitIn(group: { wait: (barrier: Barrier) => Promise<void> }): Promise<void> {
    const [before, after] = [this.#complete(), todoBarrier()];
    await group.wait(before).catch(writeFailure);
    this.#link();
    await group.wait(after).catch(writeFailure);
    this.#close();
  }

  /** Everything is written; what has to be durable before qmail-send may see it. */
  #complete(): Barrier {
    const intd = this.#intd;
    if (intd === undefined) throw new Exit(queueExit.bug);
    attempt(queueExit.write, () => intd.out.flush());
    const { path } = this.#mess;
    return { files: [this.#mess.fd, intd.fd], directories: [path.slice(0, path.lastIndexOf("/"))] };
  }

  #link(): void {
    const from = this.#intd?.path ?? "";
    attempt(queueExit.todo, () => linkSync(from, queuePath("todo", this.id)));
    this.#linked = true;
  }

  #close(): void {
    attempt(queueExit.write, () => {
      for (const file of [this.#mess, this.#intd]) if (file !== undefined) close(file);
    });
  }

  /** Undoes everything, unless the entry is qmail-send's: the envelope first, because the id is free once mess/ID is gone. */
  abandon(): void {
    if (!this.#linked && (this.#intd === undefined || undo(this.#intd))) undo(this.#mess);
    // Who files one message after the other would run out of descriptors while the disk is full.
    for (const file of [this.#mess, this.#intd]) if (file !== undefined) closeQuietly(file);
  }
}

const todoBarrier = (): Barrier => ({ files: [], directories: [`${queueRoot()}/todo`] });

function syncNow({ files, directories }: Barrier): void {
  for (const fd of files) syncFile(fd);
  for (const path of directories) syncDirectory(path);
}

function writeFailure(failure: unknown): never {
  throw isSystemError(failure) ? new Exit(queueExit.write) : failure;
}

/** Few file systems have numbers that do not fit into a number, and asking for all of stat(2) in long ones is dear. */
function inodeNumber(fd: number): bigint {
  const { ino } = fstatSync(fd);
  return Number.isSafeInteger(ino) ? BigInt(ino) : BigInt.asUintN(64, fstatSync(fd, { bigint: true }).ino);
}

function createPidFile(started: number): File {
  for (let sequence = 1; ; sequence++) {
    const path = `${queueRoot()}/pid/${process.pid}.${started}.${sequence}`;
    try {
      return create(path);
    } catch (failure) {
      if (isSystemError(failure) && sequence < attempts) continue;
      throw isSystemError(failure) ? new Exit(queueExit.pid) : failure;
    }
  }
}

/**
 * A file of that name can only be left of a message that is gone: the id is the inode number of our own file in mess.
 * The file system gives the same number to the next message, too, so that without removing it no more mail is taken.
 */
function createEnvelopeFile(id: bigint): File {
  const path = queuePath("intd", id);
  try {
    return create(path);
  } catch (failure) {
    if (!isSystemError(failure, "EEXIST")) throw failure;
  }
  unlinkSync(path);
  return create(path);
}

function create(path: string): File {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
  return { path, fd, out: new Writer(fd), closed: false };
}

/** Closes a file, once: its number may be another file's afterwards. */
function close(file: File): void {
  if (file.closed) return;
  file.closed = true;
  closeSync(file.fd);
}

function closeQuietly(file: File): void {
  try {
    close(file);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}

/** Removes a file and gives its room back at once; what can not be removed now, qmail-send removes after 36 hours. */
function undo({ path, fd }: File): boolean {
  try {
    ftruncateSync(fd, 0);
    unlinkSync(path);
    return true;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return false;
  }
}
