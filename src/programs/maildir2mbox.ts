/**
 * maildir2mbox(1): moves the messages of the Maildir $MAILDIR into the mbox $MAIL. A copy of the mbox is extended in
 * $MAILTMP and put in the place of the old one; a message leaves the Maildir when its copy is durable.
 */
import { closeSync, constants, fsyncSync, openSync, renameSync, unlinkSync } from "node:fs";
import { isSystemError, temporary } from "../core/exit.ts";
import { FromQuoter, separatorLine } from "../core/maildir/from.ts";
import { directoryOf, MboxFailure, openLocked } from "../core/maildir/mbox.ts";
import {
  cleanTemporary,
  type MaildirList,
  type MaildirMessage,
  scanMaildir,
  UnreadableFolder,
} from "../core/maildir/scan.ts";
import { environment } from "../core/sys/arguments.ts";
import { syncDirectory } from "../core/sys/durable.ts";
import { errorText } from "../core/sys/errors.ts";
import { readSome, Writer, writeAll } from "../core/sys/fd.ts";
import { changeDirectory } from "../core/sys/libc.ts";
import { asPath } from "../core/sys/path.ts";

const program = "maildir2mbox";
const here = Buffer.alloc(0);
const chunk = 65536;
const lineFeed = 10;
const returnPath = Buffer.from("Return-Path: <");

export function main(): number {
  process.umask(0o077);
  const mbox = variable("MAIL");
  const copy = variable("MAILTMP");
  const maildir = variable("MAILDIR");
  doing(`chdir to ${text(maildir)}`, () => changeDirectory(maildir));
  cleanTemporary(here);
  const messages = scan();
  if (messages.length === 0) return 0;
  lock(mbox);
  const out = doing(`create ${text(copy)}`, () => openSync(asPath(copy), truncating, 0o644));
  copyMbox(mbox, copy, out);
  for (const message of messages) append(copy, out, message);
  doing(`write to ${text(copy)}`, () => {
    fsyncSync(out);
    closeSync(out);
  });
  doing(`move ${text(copy)} to ${text(mbox)}`, () => {
    renameSync(asPath(copy), asPath(mbox));
    // Before the messages go from the Maildir, the new mbox has to be in its place for good.
    syncDirectory(directoryOf(mbox));
  });
  for (const { path } of messages) remove(path);
  return 0;
}

const truncating = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NONBLOCK;

const text = (path: Buffer): string => path.toString("latin1");

const fatal = (why: string): Error => temporary(`${program}: fatal: ${why}\n`);

/** Does one step; a failed system call ends the program. */
function doing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    throw isSystemError(failure) ? fatal(`unable to ${what}: ${errorText(failure.code)}`) : failure;
  }
}

function variable(name: string): Buffer {
  const value = environment(name);
  if (value === undefined) throw fatal(`${name} not set`);
  return value;
}

function scan(): MaildirList {
  try {
    return scanMaildir(here, ["new", "cur"]);
  } catch (failure) {
    throw failure instanceof UnreadableFolder ? fatal(failure.message) : failure;
  }
}

/** Nobody else writes the mbox while this process lives. */
function lock(mbox: Buffer): void {
  try {
    if (openLocked(mbox, Number.POSITIVE_INFINITY).locked) return;
  } catch (failure) {
    if (!(failure instanceof MboxFailure)) throw failure;
    throw fatal(`unable to lock ${text(mbox)}: ${errorText(failure.cause?.code ?? "")}`);
  }
  throw fatal(`unable to lock ${text(mbox)}: ${errorText("ENOLCK")}`);
}

function copyMbox(mbox: Buffer, copy: Buffer, out: number): void {
  const old = doing(`read ${text(mbox)}`, () => openSync(mbox, "r"));
  const buffer = Buffer.allocUnsafe(chunk);
  for (;;) {
    const length = doing(`read ${text(mbox)}`, () => readSome(old, buffer));
    if (length === 0) break;
    doing(`write to ${text(copy)}`, () => writeAll(out, buffer.subarray(0, length)));
  }
  closeSync(old);
}

/** Appends one message to the copy, whole: a last line without line feed gets one. */
function append(copy: Buffer, out: number, { path, modified }: MaildirMessage): void {
  const read = <T>(work: () => T): T => doing(`read $MAILDIR/${text(path)}`, work);
  const writer = new Writer(out);
  const write = (pieces: readonly Uint8Array[]): void =>
    doing(`write to ${text(copy)}`, () => {
      for (const piece of pieces) writer.write(piece);
    });
  const fd = read(() => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  const quoter = new FromQuoter();
  const buffer = Buffer.allocUnsafe(chunk);
  for (let first = true; ; first = false) {
    const piece = buffer.subarray(
      0,
      read(() => readSome(fd, buffer)),
    );
    if (first) write([separatorLine(senderOf(piece), modified)]);
    if (piece.length === 0) break;
    write(quoter.push(piece));
  }
  write([...quoter.end(), Buffer.of(lineFeed)]);
  doing(`write to ${text(copy)}`, () => writer.flush());
  closeSync(fd);
}

/** Whom the first line names as the sender, if it is the Return-Path that qmail-local wrote. */
function senderOf(start: Buffer): Buffer {
  const end = start.indexOf(lineFeed);
  if (end < 0 || !start.subarray(0, returnPath.length).equals(returnPath)) return Buffer.from("XXX");
  if (start[returnPath.length] === 62) return Buffer.from("MAILER-DAEMON");
  return start.subarray(returnPath.length, Math.max(returnPath.length, end - 1));
}

/** Removes a message from the Maildir; if that fails the others still go. */
function remove(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    const why = `$MAILDIR/${text(path)} will be delivered twice; unable to unlink: ${errorText(failure.code)}`;
    writeAll(2, Buffer.from(`${program}: warning: ${why}\n`, "latin1"));
  }
}
