/** Sending the message on descriptor 0 on from a .qmail program: what condredirect(1) and forward(1) have in common. */
import { Exit, isSystemError, permanent, temporary } from "../exit.ts";
import { Submission } from "../queue/submit.ts";
import { environment } from "../sys/arguments.ts";
import { errorText } from "../sys/errors.ts";
import { readSome } from "../sys/fd.ts";

const messageDescriptor = 0;
const chunk = 65536;

/** A variable that qmail-local sets for its programs (qmail-command(8)). */
export function required(program: string, name: string): Buffer {
  const value = environment(name);
  if (value === undefined) throw permanent(`${program}: fatal: ${name} not set\n`);
  return value;
}

/**
 * Queues `header` and the message that is still to be read, from `sender` to `recipients`.
 * @returns the number of the queue program's process
 * @throws Exit 100 or 111 with the program's words
 */
export async function sendOn(
  program: string,
  header: Buffer,
  sender: Buffer,
  recipients: readonly Buffer[],
): Promise<number> {
  const submission = new Submission();
  submission.message(header);
  try {
    copyMessage(submission);
  } catch (failure) {
    submission.abandon();
    await submission.close();
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${program}: fatal: unable to read message: ${errorText(failure.code)}\n`);
  }
  submission.from(sender);
  for (const recipient of recipients) submission.to(recipient);
  const verdict = await submission.close();
  if (verdict.accepted) return verdict.pid;
  const code = verdict.report.startsWith("D") ? 100 : 111;
  throw new Exit(code, `${program}: fatal: ${verdict.report.slice(1)}\n`);
}

/** Copies what is left of the message into a submission; throws if it can not be read. */
export function copyMessage(submission: Submission): void {
  const buffer = Buffer.allocUnsafe(chunk);
  for (;;) {
    const length = readSome(messageDescriptor, buffer);
    if (length === 0) return;
    submission.message(buffer.subarray(0, length));
  }
}
