/** Queueing bounces: the notice goes to qmail-queue piece by piece, without holding up deliveries. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { isSystemError } from "../../core/exit.ts";
import { Submission } from "../../core/queue/submit.ts";
import type { Injection, Notice } from "./context.ts";

const pieceSize = 65536;
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** Lets what arrived meanwhile be handled. */
const others = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function copyFile(path: string, submission: Submission): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.allocUnsafe(pieceSize);
    for (;;) {
      const length = readSync(fd, buffer, 0, pieceSize, null);
      if (length === 0) return;
      submission.message(buffer.subarray(0, length));
      if (length === pieceSize) await others();
    }
  } finally {
    closeSync(fd);
  }
}

async function write({ head, failures, middle, message }: Notice, submission: Submission): Promise<void> {
  submission.message(bytes(head));
  await copyFile(failures, submission);
  submission.message(bytes(middle));
  await copyFile(message, submission);
}

function open(): Submission | undefined {
  try {
    return new Submission();
  } catch (failure) {
    if (isSystemError(failure)) return undefined;
    throw failure;
  }
}

/** Queues one bounce. Throws only what nobody foresaw. */
export async function queueBounce(notice: Notice): Promise<Injection> {
  const submission = open();
  if (submission === undefined) return { result: "unstarted" };
  try {
    await write(notice, submission);
    submission.from(bytes(notice.sender));
    submission.to(bytes(notice.recipient));
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    submission.abandon();
  }
  const verdict = await submission.close();
  return verdict.accepted ? { result: "queued", pid: verdict.pid } : { result: "refused" };
}
