/** Taking a message in: from its pieces to an entry that qmail-send has seen, or to nothing at all. */
import { statSync } from "node:fs";
import { Exit } from "../exit.ts";
import { qmailHome } from "../sys/home.ts";
import { attempt, queueExit } from "./codes.ts";
import { Entry } from "./entry.ts";
import { EnvelopeReader } from "./envelope.ts";
import type { GroupCommit } from "./group.ts";
import { queueRoot } from "./paths.ts";
import { queueReceived } from "./received.ts";
import { pullTrigger } from "./trigger.ts";

/** What is to be taken in. */
export interface Intake {
  /** When it began, in Unix seconds. */
  started: number;
  /** Real uid of who called. */
  uid: number;
  /** When it is too late to succeed, in Unix milliseconds. */
  deadline: number;
  message: Iterable<Uint8Array>;
  /** `F` sender NUL, `T` recipient NUL ..., NUL (envelopes(5)). */
  envelope: Iterable<Uint8Array>;
}

/**
 * Puts a message into the queue and wakes qmail-send. When it returns, the message survives a power cut.
 * @throws Exit with a code of qmail-queue(8); then nothing is left behind
 */
export function takeIn(intake: Intake): void {
  const entry = new Entry(intake.started);
  try {
    fill(entry, intake);
    entry.commit();
  } catch (failure) {
    entry.abandon();
    throw failure;
  }
  pullTrigger();
}

/** As takeIn(), side by side with others that share their barriers; waking qmail-send is the caller's. */
export async function takeInWith(group: GroupCommit, intake: Intake): Promise<void> {
  const entry = new Entry(intake.started);
  try {
    fill(entry, intake);
    await entry.commitIn(group);
  } catch (failure) {
    entry.abandon();
    throw failure;
  }
}

function fill(entry: Entry, { started, uid, deadline, message, envelope }: Intake): void {
  entry.message(queueReceived(process.pid, uid, started));
  for (const piece of message) entry.message(piece);
  entry.beginEnvelope();
  entry.envelope(`u${uid}\0p${process.pid}\0`);
  copyEnvelope(entry, envelope);
  // By the clock that may be set: by it, too, qmail-send takes for dead what is 36 hours old.
  if (Date.now() > deadline) throw new Exit(queueExit.timeout);
}

function copyEnvelope(entry: Entry, envelope: Iterable<Uint8Array>): void {
  const reader = new EnvelopeReader();
  for (const piece of envelope) {
    entry.envelope(piece.subarray(0, reader.read(piece)));
    if (reader.done) return;
  }
  throw new Exit(queueExit.read);
}

/** Whether chdir(2) to the home and to the queue would work; an Exit with its code if not. */
export function enterQueue(): void {
  attempt(queueExit.home, () => statSync(`${qmailHome()}/.`));
  attempt(queueExit.queue, () => statSync(`${queueRoot()}/.`));
}
