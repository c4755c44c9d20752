/** Instructions of a .qmail file, and where that file is (dot-qmail(5)). */
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { bytes, lowerCase, splitAt } from "../bytes/text.ts";
import { isSystemError, permanent, temporary } from "../exit.ts";
import { errorText, mayPass } from "../sys/errors.ts";
import { readAll } from "../sys/fd.ts";

/** One thing to do. `list` allows nothing but forwards from there on. */
export type Instruction =
  | { kind: "maildir" | "mbox" | "program" | "forward"; argument: Buffer; shown: Buffer }
  | { kind: "list" };

const lineFeed = 10;
const [hash, ampersand, plus, dash, dot, slash, bar] = [35, 38, 43, 45, 46, 47, 124];
const list = bytes("list");

/** A line of a .qmail file, numbered from 1, without blanks at its end; comments and blank lines instruct nothing. */
export interface Line {
  number: number;
  text: Buffer;
  instruction: Instruction | undefined;
}

/**
 * The lines of `text`. Of an instruction, `argument` ends where a NUL does, as every name and address; `shown` is the
 * whole of it, for descriptions.
 * @throws Exit 111 when it comes to a first line that is blank
 */
export function* dotQmailLines(text: Buffer): Generator<Line> {
  const lines = text.length === 0 ? [text] : splitAt(text, lineFeed);
  for (const [index, line] of lines.entries()) {
    const shown = trimBlanks(line);
    const [first] = shown;
    if (index === 0 && !first) throw temporary("Uh-oh: first line of .qmail file is blank. (#4.2.1)\n");
    yield { number: index + 1, text: shown, instruction: first ? instruction(first, shown) : undefined };
  }
}

/** The instructions in `text`, in their order. Throws as dotQmailLines does. */
export function* instructions(text: Buffer): Generator<Instruction> {
  for (const { instruction } of dotQmailLines(text)) if (instruction !== undefined) yield instruction;
}

function instruction(first: number, line: Buffer): Instruction | undefined {
  const behind = line.subarray(1);
  if (first === hash) return undefined;
  if (first === dot || first === slash)
    return described(line[line.length - 1] === slash ? "maildir" : "mbox", line);
  if (first === bar) return described("program", behind);
  if (first === ampersand) return described("forward", behind);
  if (first !== plus) return described("forward", line);
  return untilNul(behind).equals(list) ? { kind: "list" } : undefined;
}

function described(kind: Exclude<Instruction["kind"], "list">, shown: Buffer): Instruction {
  return { kind, argument: untilNul(shown), shown };
}

function untilNul(text: Buffer): Buffer {
  const end = text.indexOf(0);
  return end < 0 ? text : text.subarray(0, end);
}

function trimBlanks(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && (line[end - 1] === 32 || line[end - 1] === 9)) end--;
  return line.subarray(0, end);
}

/** Which .qmail files are meant: `.qmail`, then `dash`, then the extension. */
export interface Address {
  dash: Buffer;
  /** As in the address; see safeExtension. */
  extension: Buffer;
}

/** A .qmail file that was found. */
export interface DotQmail {
  /** Its name in the home. */
  name: Buffer;
  text: Buffer;
  /** The owner may execute it: it may hold nothing but forwards. */
  executable: boolean;
  /** What `default` in the file's name stands for; undefined where the name does not end so. */
  matched: Buffer | undefined;
}

export const writableByOthers = 0o002;
const executableByOwner = 0o100;
const fallback = bytes("default");

/** The extension as it stands in file names: in small letters, with colons for dots, so that none leads elsewhere. */
export function safeExtension(extension: Uint8Array): Buffer {
  const safe = lowerCase(extension);
  for (let at = safe.indexOf(dot); at >= 0; at = safe.indexOf(dot, at)) safe[at] = 58;
  return safe;
}

/**
 * Finds the .qmail file of an address in the current directory: for `-` and `a-b` the first of `.qmail-a-b`,
 * `.qmail-a-default`, `.qmail-default`. Undefined if there is none and there need be none.
 * @throws Exit 100 if nobody has this address; 111 if a file can not be read or may not be trusted
 */
export function findDotQmail(address: Address): DotQmail | undefined {
  for (const { name, matched } of dotQmailNames(address)) {
    const found = readDotQmail(name);
    if (found !== undefined) return { ...found, name, matched };
  }
  if (address.dash.length > 0) throw permanent("Sorry, no mailbox here by that name. (#5.1.1)\n");
  return undefined;
}

/** The names under which an address may have its .qmail file, first come first served; `matched` as in DotQmail. */
export function* dotQmailNames({
  dash: prefix,
  extension,
}: Address): Generator<{ name: Buffer; matched: Buffer | undefined }> {
  const safe = safeExtension(extension);
  const start = safe.length - fallback.length;
  const named = start >= 0 && safe.subarray(start).equals(fallback);
  yield { name: fileName(prefix, safe), matched: named ? extension.subarray(start) : undefined };
  for (let length = safe.length; length >= 0; length--) {
    if (length > 0 && safe[length - 1] !== dash) continue;
    yield { name: fileName(prefix, safe.subarray(0, length), fallback), matched: extension.subarray(length) };
  }
}

/**
 * The envelope sender of what is forwarded: the list's owner where `.qmail...-owner` exists, the owner's address for
 * every single recipient (VERP) where `.qmail...-owner-default` does, too. A bounce keeps its sender.
 */
export function forwardingSender(
  { dash: prefix, extension }: Address,
  { local, host, sender }: { local: Buffer; host: Buffer; sender: Buffer },
): Buffer {
  const text = sender.toString("latin1");
  const safe = safeExtension(extension);
  if (text === "" || text === "#@[]" || !exists(fileName(prefix, safe, bytes("-owner")))) return sender;
  return exists(fileName(prefix, safe, bytes("-owner-default")))
    ? Buffer.concat([local, bytes("-owner-@"), host, bytes("-@[]")])
    : Buffer.concat([local, bytes("-owner@"), host]);
}

function fileName(...parts: Buffer[]): Buffer {
  return Buffer.concat([bytes(".qmail"), ...parts]);
}

/** Reads a .qmail file. Undefined if there is none; what is no regular file counts as none. */
function readDotQmail(name: Buffer): Omit<DotQmail, "matched" | "name"> | undefined {
  const fd = openIfThere(name);
  if (fd === undefined) return undefined;
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) return undefined;
    if (status.mode & writableByOthers) throw temporary("Uh-oh: .qmail file is writable. (#4.7.0)\n");
    return { text: readAll(fd), executable: (status.mode & executableByOwner) !== 0 };
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`Unable to read ${name.toString("latin1")}: ${errorText(failure.code)}. (#4.3.0)\n`);
  } finally {
    closeSync(fd);
  }
}

function openIfThere(name: Buffer): number | undefined {
  try {
    return openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    const { code } = failure;
    if (mayPass(code) || code === "EPERM" || code === "EACCES") throw unableToOpen(name, code);
    return undefined;
  }
}

function exists(name: Buffer): boolean {
  try {
    statSync(name);
    return true;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    if (mayPass(failure.code)) throw unableToOpen(name, failure.code);
    return false;
  }
}

function unableToOpen(name: Buffer, code: string): Error {
  return temporary(`Unable to open ${name.toString("latin1")}: ${errorText(code)}. (#4.3.0)\n`);
}
