/**
 * Messages into a queue: `import { enqueue } from "qmail-ts/queue"`.
 *
 * The message and its envelope go to the home's bin/qmail-queue, or to the program that QMAILQUEUE names, as
 * qmail-queue(8) says. Nothing is added to the message but what that program adds; inject (qmail-ts/inject) completes
 * headers.
 */
import { envelopeOf } from "../core/queue/envelope.ts";
import { reportOf } from "../core/queue/verdict.ts";
import { FedChild, type Outcome, unableToExecute } from "../core/sys/fed-child.ts";
import { qmailHome } from "../core/sys/home.ts";
import { type Bytes, type Cancellation, type Kind, type Message, QmailError } from "./message.ts";
import { bufferOf, piecesOf, reasonOf } from "./pieces.ts";

export { type Bytes, type Cancellation, type Kind, type Message, QmailError };

/** Whom a message is from, and to whom it goes. */
export interface Envelope {
  /** `joe@example.org`; empty for a bounce, which is never bounced itself; `list-@example.org-@[]` for VERP (addresses(5)). */
  sender: Bytes;
  /** At least one. Without quotes and brackets, as in `joe@example.org`. */
  recipients: Iterable<Bytes>;
}

/** Into which queue, and how. */
export interface QueueOptions {
  /** The qmail home; default: $QMAILHOME, or /var/qmail. */
  home?: string | undefined;
  /** The queue program, relative to the home; default: $QMAILQUEUE of the environment below, or bin/qmail-queue. */
  program?: string | undefined;
  /** The whole environment of the queue program; default: process.env. QMAILHOME is set to `home` where that is given. */
  environment?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * When it is aborted before the whole message was read, the message is given up, and its reason is thrown. Later it
   * has no effect: the verdict of the queue program is awaited.
   */
  signal?: Cancellation | undefined;
}

/** A message that is in the queue. */
export interface Queued {
  /** Number of the process that took it: `qp` in the log of qmail-send. */
  pid: number;
}

/** The queue program did not take a message. */
export class QueueError extends QmailError {
  override readonly name = "QueueError";
  /** Exit code of the queue program (qmail-queue(8)); undefined where it was not run, or was killed. */
  readonly exitCode: number | undefined;
  constructor(kind: Kind, message: string, exitCode?: number, options?: { cause?: unknown }) {
    super(kind, message, options);
    this.exitCode = exitCode;
  }
}

/**
 * Puts a message into the queue. When the promise is kept, the message survives a power cut, and qmail-send delivers
 * it to every recipient or tells the sender that it could not.
 *
 * The message is read as fast as the queue program takes it. If reading it fails, it is given up, and that failure is
 * thrown; the same is true if this process dies. Nothing of it is in the queue then.
 *
 * @throws QueueError `permanent` for an address with a NUL byte, no recipient, or what the program says so of;
 * `temporary` for a full disk, a missing program and the like
 */
export async function enqueue(
  message: Message,
  envelope: Envelope,
  options: QueueOptions = {},
): Promise<Queued> {
  const records = recordsOf(envelope);
  if (options.signal?.aborted === true) throw reasonOf(options.signal);
  const child = startProgram(options);
  try {
    for await (const piece of piecesOf(message, options.signal)) {
      await child.message(piece);
      if (child.isOver) break;
    }
  } catch (failure) {
    await child.end();
    throw failure;
  }
  // A program that read no more has not seen the whole message, whatever it says.
  const broken = child.isOver;
  const outcome = broken ? await child.end() : await child.end(records);
  if (outcome.code === 0 && !broken) return { pid: child.pid };
  throw errorOf(outcome);
}

function recordsOf({ sender, recipients }: Envelope): Buffer {
  const [from, ...to] = [sender, ...recipients].map(bufferOf);
  if (to.length === 0) throw new QueueError("permanent", "the envelope has no recipient");
  const wrong = [from, ...to].find((address) => address?.includes(0));
  if (wrong !== undefined)
    throw new QueueError("permanent", `the address ${JSON.stringify(wrong.toString())} has a NUL byte`);
  return envelopeOf(from ?? Buffer.alloc(0), to);
}

function startProgram(options: QueueOptions): FedChild {
  const home = options.home ?? qmailHome();
  const given = options.environment ?? process.env;
  const chosen = options.program ?? given.QMAILQUEUE ?? "bin/qmail-queue";
  try {
    return new FedChild({
      program: chosen.startsWith("/") ? chosen : `./${chosen}`,
      directory: home,
      environment: options.home === undefined ? given : { ...given, QMAILHOME: home },
    });
  } catch (cause) {
    throw new QueueError("temporary", `unable to start ${chosen} in ${home}: ${cause}`, undefined, { cause });
  }
}

function errorOf({ code, signal, words }: Outcome): QueueError {
  if (signal !== null) return new QueueError("temporary", "qq crashed (#4.3.0)");
  const report = reportOf(code ?? unableToExecute, words);
  const kind = report.startsWith("D") ? "permanent" : "temporary";
  return new QueueError(
    kind,
    report.slice(1).trimEnd(),
    code === unableToExecute ? undefined : (code ?? undefined),
  );
}
