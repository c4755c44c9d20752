/**
 * qmail-qread(8): the messages in the queue, and their recipients. Everything goes to descriptor 1, complaints too.
 */
import { closeSync, existsSync, fstatSync, openSync, statSync } from "node:fs";
import { isSystemError } from "../core/exit.ts";
import { date822 } from "../core/mail/date.ts";
import { messagesIn, UnreadableDirectory } from "../core/queue/list.ts";
import { queuePath, queueRoot } from "../core/queue/paths.ts";
import { errorText } from "../core/sys/errors.ts";
import { Reader, Writer } from "../core/sys/fd.ts";

const channels = ["local", "remote"] as const;
const zoneLength = " -0000\n".length;

/** A complaint that ends the program, with the file it is about. */
class Fatal extends Error {}

export function main(): number {
  const out = new Writer(1);
  const code = list(out);
  out.flush();
  return code;
}

function list(out: Writer): number {
  try {
    enterQueue();
    for (const id of messagesIn("info")) show(out, id);
    return 0;
  } catch (failure) {
    const { cause } = failure instanceof Error ? failure : {};
    if (failure instanceof Fatal) out.write(`fatal: ${failure.message}\n`);
    else if (failure instanceof UnreadableDirectory && isSystemError(cause))
      out.write(`fatal: unable to opendir ${failure.path}: ${errorText(cause.code)}\n`);
    else throw failure;
    return 111;
  }
}

function enterQueue(): void {
  try {
    statSync(`${queueRoot()}/.`);
  } catch (failure) {
    throw isSystemError(failure) ? new Fatal(`unable to chdir: ${errorText(failure.code)}`) : failure;
  }
}

/** One message: a line about it, and one for each recipient. What vanished meanwhile is told, and the list goes on. */
function show(out: Writer, id: bigint): void {
  const warn = (failure: unknown): void => {
    if (!isSystemError(failure)) throw failure;
    out.write(`warning: trouble with #${id}: ${errorText(failure.code)}\n`);
  };
  try {
    const { size } = statSync(queuePath("mess", id));
    const bouncing = existsSync(queuePath("bounce", id)) ? " bouncing" : "";
    const { queued, sender } = readInfo(queuePath("info", id));
    const when = date822(queued).slice(0, -zoneLength);
    out.write(`${printable(`${when} GMT  #${id}  ${size}  <${sender}> ${bouncing}`)}\n`);
  } catch (failure) {
    warn(failure);
    return;
  }
  for (const channel of channels) {
    try {
      showRecipients(out, channel, queuePath(channel, id));
    } catch (failure) {
      if (!isSystemError(failure, "ENOENT")) warn(failure);
    }
  }
}

/** Sender and time of arrival in seconds. */
function readInfo(path: string): { queued: number; sender: string } {
  const fd = openSync(path, "r");
  try {
    const record = text(readRecord(new Reader(fd)) ?? Buffer.alloc(0));
    return { queued: Math.floor(fstatSync(fd).mtimeMs / 1000), sender: record.slice(1) };
  } finally {
    closeSync(fd);
  }
}

/** `T` is a recipient who waits, `D` one who is done; other records, and a record without its NUL, do not count. */
function showRecipients(out: Writer, channel: string, path: string): void {
  const fd = openSync(path, "r");
  try {
    const reader = new Reader(fd);
    for (let record = readRecord(reader); record?.at(-1) === 0; record = readRecord(reader)) {
      const line = text(record);
      const done = line[0] === "D" ? "  done" : "";
      if (done !== "" || line[0] === "T") out.write(`${done}\t${channel}\t${printable(line.slice(1))}\n`);
    }
  } finally {
    closeSync(fd);
  }
}

function readRecord(reader: Reader): Buffer | undefined {
  try {
    return reader.line(0);
  } catch (failure) {
    // Ever since, a file that can be opened but not read has been told so.
    throw isSystemError(failure) ? new Fatal("out of memory") : failure;
  }
}

/** A record without its NUL, a character for each byte. */
const text = (record: Buffer): string =>
  record.toString("latin1", 0, record.length - (record.at(-1) === 0 ? 1 : 0));

const printable = (line: string): string => line.replace(/[^ -~]/g, "_");
