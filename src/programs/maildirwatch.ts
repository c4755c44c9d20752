/** maildirwatch(1): shows the new mail in the Maildir $MAILDIR, twice a minute, on a terminal. */
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { isSystemError, temporary } from "../core/exit.ts";
import { contentsStart, knownField, readHeader } from "../core/mail/header.ts";
import { cleanTemporary, scanMaildir, UnreadableFolder } from "../core/maildir/scan.ts";
import { environment } from "../core/sys/arguments.ts";
import { errorText } from "../core/sys/errors.ts";
import { Reader, writeAll } from "../core/sys/fd.ts";
import { changeDirectory } from "../core/sys/libc.ts";

const program = "maildirwatch";
const here = Buffer.alloc(0);

/** Milliseconds from one summary to the next. */
const interval = 30_000;

/** Two lines of a terminal of 80 columns, nearly. */
const excerptLength = 158;

const clear = "\u001b[;H\u001b[;J";
const bold = (text: string): string => `\u001b[1m${text}\u001b[0m`;

const fatal = (why: string): Error => temporary(`${program}: fatal: ${why}\n`);

export async function main(): Promise<number> {
  enterMaildir();
  for (;;) {
    cleanTemporary(here);
    writeAll(1, Buffer.from(clear + summaries().join("")));
    await pause(interval);
  }
}

function enterMaildir(): void {
  const maildir = environment("MAILDIR");
  if (maildir === undefined) throw fatal("MAILDIR not set");
  try {
    changeDirectory(maildir);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw fatal(`unable to chdir to ${maildir.toString("latin1")}: ${errorText(failure.code)}`);
  }
}

/** A few lines about each new message, the oldest first. */
function summaries(): string[] {
  try {
    return Array.from(scanMaildir(here, ["new"]), ({ path }) => summary(path));
  } catch (failure) {
    throw failure instanceof UnreadableFolder ? fatal(failure.message) : failure;
  }
}

/** One that is gone again, because its owner reads mail right now, has no lines. */
function summary(path: Buffer): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return "";
  }
  try {
    return describe(new Reader(fd));
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw fatal("trouble reading new message");
  } finally {
    closeSync(fd);
  }
}

/** What could control the terminal is replaced. */
const shown = (text: Buffer, replacement: string): string =>
  text.toString("latin1").replace(/[^ -~]/g, replacement);

function describe(message: Reader): string {
  const field: Record<"sender" | "recipient" | "from", Buffer> = {
    sender: Buffer.from("?"),
    recipient: Buffer.from("?"),
    from: here,
  };
  let text: Buffer = here;
  const add = (more: Buffer): void => {
    text = Buffer.concat([text, more.subarray(0, excerptLength - text.length)]);
  };
  const contents = (line: Buffer): Buffer => line.subarray(contentsStart(line), -1);
  const body = readHeader(
    () => message.line(),
    (line) => {
      const name = knownField(line);
      if (name === "subject") add(line.subarray(contentsStart(line)));
      if (name === "delivered-to") field.recipient = contents(line);
      if (name === "return-path") field.sender = contents(line);
      if (name === "from") field.from = line.subarray(0, -1);
    },
  );
  add(body);
  while (text.length < excerptLength) {
    const more = message.chunk();
    if (more.length === 0) break;
    add(more);
  }
  const from = field.from.length === 0 ? "" : `${bold(shown(field.from, "/"))}\n`;
  return `FROM ${shown(field.sender, "?")} TO <${shown(field.recipient, "?")}>\n${from}${shown(text, "/")}\n\n`;
}
