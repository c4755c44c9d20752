/** qbiff(1): shows a new message on the terminals of its owner. Whatever goes wrong, it is no reason to keep the mail back. */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { bytes } from "../core/bytes/text.ts";
import { isSystemError } from "../core/exit.ts";
import { contentsStart, knownField, readHeader } from "../core/mail/header.ts";
import { environment } from "../core/sys/arguments.ts";
import { Reader } from "../core/sys/fd.ts";
import { nameSize, terminalsOf } from "../core/sys/utmp.ts";

export function main(): number {
  const [user, sender, local] = ["USER", "SENDER", "LOCAL"].map(environment);
  if (user === undefined || sender === undefined || local === undefined || user.length > nameSize) return 0;
  try {
    const about = Buffer.concat([bytes("*** TO <"), local, bytes("> FROM <"), sender, bytes(">")]);
    const lines = [printable(about, "_"), printable(Buffer.concat([bytes("    "), excerpt()]), "/")];
    const notice = bytes(`\r\n\u0007${lines.join("\r\n")}\r\n`);
    for (const terminal of terminalsOf(user)) show(terminal, notice);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
  return 0;
}

const lineLength = 78;

/** The characters of a line; what could control the terminal is replaced. */
function printable(text: Buffer, replacement: string): string {
  return text.toString("latin1").replace(/[^ -~]/g, replacement);
}

/** The beginning of subject and body of the message on descriptor 0, as much as a line can show. Reads all of it. */
function excerpt(): Buffer {
  const reader = new Reader(0);
  const room = lineLength - 4;
  let text = Buffer.alloc(0);
  const add = (more: Buffer): void => {
    text = Buffer.concat([text, more.subarray(0, room - text.length)]);
  };
  const body = readHeader(
    () => reader.line(),
    (field) => {
      if (knownField(field) === "subject") add(field.subarray(contentsStart(field)));
    },
  );
  add(body);
  for (let more = reader.chunk(); more.length > 0; more = reader.chunk()) add(more);
  return text;
}

const ownerWantsNotices = 0o100;

/** Writes to a terminal if it is ours and its owner said `biff y`. One that takes no more now goes without. */
function show(terminal: Buffer, notice: Buffer): void {
  const name = terminal.toString("latin1");
  if (name === "" || name.startsWith("/") || name.includes(".")) return;
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_APPEND | constants.O_NOCTTY;
    const fd = openSync(Buffer.concat([bytes("/dev/"), terminal]), flags);
    try {
      const { mode, uid } = fstatSync(fd);
      if (mode & ownerWantsNotices && uid === process.getuid?.()) writeSync(fd, notice);
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}
