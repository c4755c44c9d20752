/**
 * qmail-queue(8): takes a message from descriptor 0 and its envelope from descriptor 1 into the queue. Exit 0 means
 * that a power cut can not take it away any more (core/queue/entry.ts says how).
 */
import { statSync } from "node:fs";
import { Exit, isSystemError } from "../core/exit.ts";
import { queueExit } from "../core/queue/codes.ts";
import { Entry } from "../core/queue/entry.ts";
import { EnvelopeReader } from "../core/queue/envelope.ts";
import { queueRoot } from "../core/queue/paths.ts";
import { queueReceived } from "../core/queue/received.ts";
import { pullTrigger } from "../core/queue/trigger.ts";
import { readBefore } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";
import { alarm } from "../core/sys/libc.ts";
import { ignoreSignals, unblockSignals } from "../core/sys/signals.ts";
import { becomeOwnerOf } from "../core/users/identity.ts";

const messageInput = 0;
const envelopeInput = 1;
const chunk = 65536;

/** After this, and well before the 36 hours after which qmail-send takes an entry for dead, we give up. In seconds. */
const limit = 86400;

/** If a system call hangs at that time, the kernel ends it (and us) this much later. In seconds. */
const grace = 60;

export function main(): number {
  try {
    return take();
  } catch (failure) {
    if (failure instanceof Exit) throw failure;
    const fault = failure instanceof Error ? failure.stack : failure;
    throw new Exit(queueExit.bug, `qmail-queue: fatal: ${fault}\n`);
  }
}

function take(): number {
  const started = Math.floor(Date.now() / 1000);
  const deadline = (started + limit) * 1000;
  const uid = process.getuid?.() ?? 0;
  unblockSignals();
  ignoreSignals("SIGPIPE", "SIGVTALRM", "SIGPROF", "SIGQUIT", "SIGINT", "SIGHUP", "SIGXCPU", "SIGXFSZ");
  alarm(limit + grace);
  process.umask(0o033);
  enter(qmailHome(), queueExit.home);
  enter(queueRoot(), queueExit.queue);
  attempt(queueExit.pid, () => becomeOwnerOf(`${queueRoot()}/pid`));
  const entry = new Entry(started);
  try {
    entry.message(queueReceived(process.pid, uid, started));
    copyMessage(entry, deadline);
    entry.beginEnvelope();
    entry.envelope(`u${uid}\0p${process.pid}\0`);
    copyEnvelope(entry, deadline);
    if (Date.now() > deadline) throw new Exit(queueExit.timeout);
    entry.commit();
  } catch (failure) {
    entry.abandon();
    throw failure;
  }
  pullTrigger();
  return 0;
}

/** Whether chdir(2) would work. */
function enter(directory: string, code: number): void {
  attempt(code, () => statSync(`${directory}/.`));
}

function attempt<T>(code: number, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    throw isSystemError(failure) ? new Exit(code) : failure;
  }
}

/** More of an input; empty at its end. */
function read(fd: number, buffer: Buffer, deadline: number): Buffer {
  const length = attempt(queueExit.read, () => readBefore(deadline, fd, buffer));
  if (length === undefined) throw new Exit(queueExit.timeout);
  return buffer.subarray(0, length);
}

function copyMessage(entry: Entry, deadline: number): void {
  const buffer = Buffer.allocUnsafe(chunk);
  for (let piece = read(messageInput, buffer, deadline); piece.length > 0; ) {
    entry.message(piece);
    piece = read(messageInput, buffer, deadline);
  }
}

function copyEnvelope(entry: Entry, deadline: number): void {
  const buffer = Buffer.allocUnsafe(chunk);
  for (const envelope = new EnvelopeReader(); !envelope.done; ) {
    const piece = read(envelopeInput, buffer, deadline);
    if (piece.length === 0) throw new Exit(queueExit.read);
    entry.envelope(piece.subarray(0, envelope.read(piece)));
  }
}
