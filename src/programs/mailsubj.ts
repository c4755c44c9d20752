/** mailsubj(1): sends descriptor 0 as a message with a subject. */
import { closeSync } from "node:fs";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { errorText } from "../core/sys/errors.ts";
import { copyAll, writeAll } from "../core/sys/fd.ts";
import { inHome } from "../core/sys/home.ts";
import { pipe } from "../core/sys/libc.ts";
import { type Child, start } from "../core/sys/spawn.ts";

const program = "mailsubj";
const fatal = `${program}: fatal:`;

export async function main([subject, ...recipients]: Buffer[]): Promise<number> {
  if (subject === undefined) throw permanent(`${program}: usage: ${program} subject [ recip ... ]\n`);
  const [input, output] = pipe();
  const inject = startInject(input);
  closeSync(input);
  feed(output, header(subject, recipients), inject);
  closeSync(output);
  const end = await inject.ended;
  if ("signal" in end) throw temporary(`${fatal} qmail-inject crashed\n`);
  return end.code;
}

function header(subject: Buffer, recipients: Buffer[]): Buffer {
  const to = Buffer.from(recipients.map((recipient) => recipient.toString("latin1")).join(" "), "latin1");
  return Buffer.concat([
    Buffer.from("Subject: "),
    subject,
    Buffer.from(recipients.length > 0 ? "\nTo: " : "\nTo:"),
    to,
    Buffer.from("\n\n"),
  ]);
}

function startInject(input: number): Child {
  try {
    return start({ command: [inHome("bin", "qmail-inject")], descriptors: [input, 1, 2] });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${fatal} unable to run qmail-inject: ${errorText(failure.errno)}\n`);
  }
}

/** Writes the message. Where qmail-inject reads no more, it has told why. */
function feed(output: number, start: Buffer, inject: Child): void {
  try {
    writeAll(output, start);
    copyAll(0, output);
  } catch (failure) {
    if (isSystemError(failure, "EPIPE")) return;
    if (!isSystemError(failure)) throw failure;
    // qmail-inject must not take what it has for the whole.
    inject.kill("SIGKILL");
    throw temporary(`${fatal} unable to copy input: ${errorText(failure.errno)}\n`);
  }
}
