/** What Postfix delivers to, as lines of .qmail files (dot-qmail(5)). Texts are byte strings. */
import { logicalLines, targetsIn } from "./import-postfix-config.ts";
import { shellWord } from "./shell.ts";

/** What has to be said about a translation. */
export interface Notes {
  /** It could not be translated: something is missing in the qmail form. */
  missing: (text: string) => void;
  /** It is translated, and not quite the same. Said once. */
  remark: (text: string) => void;
}

/** What translating targets depends on. */
export interface Surroundings {
  home: string;
  /** The text of a file, or undefined where it can not be read. */
  read: (path: string) => string | undefined;
  /** Whether a domain's mail is local. */
  isLocal: (domain: string) => boolean;
  /** What Postfix appends to an address without a domain. */
  origin: string;
  notes: Notes;
}

/** Whose targets these are. */
export interface Owner {
  /** For what is said: `alias joe`. */
  words: string;
  /** The local address whose own mailbox it means when it names itself. */
  local: string;
  /** The line that delivers to that mailbox; undefined: it has none. */
  mailbox: string | undefined;
  /** A virtual address, whole; Postfix runs no programs for these, and writes to no files. */
  virtual?: string | undefined;
}

/** Included files that include files. */
const deepest = 9;

/** The lines for a list of targets; undefined where not one could be translated. */
export function qmailLines(
  targets: readonly string[],
  owner: Owner,
  around: Surroundings,
): string[] | undefined {
  const lines = targets.flatMap((target) => linesFor(target, owner, around, 0));
  if (lines.length > 0) return [...new Set(lines)];
  const isDiscarded =
    owner.virtual === undefined && targets.length > 0 && targets.every((target) => target === "/dev/null");
  return isDiscarded ? ["# Mail to this address is thrown away."] : undefined;
}

function linesFor(target: string, owner: Owner, around: Surroundings, depth: number): string[] {
  const include = /^:include:\s*(.*)$/s.exec(target)?.[1];
  if (include !== undefined) return included(include, owner, around, depth);
  if (/[\n\0]/.test(target) || /^:/.test(target) || (owner.virtual !== undefined && target.includes("$")))
    return none(owner, around, target);
  if (/^[|/]/.test(target)) {
    if (owner.virtual !== undefined) return none(owner, around, `${target}, which is no address`);
    if (depth > 0)
      return none(owner, around, `${target} in an included file, where Postfix does not allow it`);
    return target.startsWith("|") ? [programLine(target.slice(1).trim(), around)] : fileLine(target, around);
  }
  return forwardLine(target, owner, around);
}

function none({ words }: Owner, { notes }: Surroundings, target: string): string[] {
  notes.missing(`${words}: ${target}`);
  return [];
}

/** A .qmail file is a list itself: the addresses stand in it, and are edited there from now on. */
function included(path: string, owner: Owner, around: Surroundings, depth: number): string[] {
  const text = depth < deepest ? around.read(path) : undefined;
  if (text === undefined) return none(owner, around, `:include:${path}, which can not be read`);
  around.notes.remark(`the addresses of ${path} now stand in the .qmail file itself`);
  return logicalLines(text)
    .flatMap((line) => targetsIn(line.replace(/\s#.*$/, "")))
    .flatMap((target) => linesFor(target, owner, around, depth + 1));
}

/** Postfix puts a From_ line and Delivered-To before a message for a program, as preline(1) does. */
function programLine(command: string, { home, notes }: Surroundings): string {
  notes.remark("programs run as the user whose .qmail file it is, with the variables of qmail-command(8)");
  const isPlain = /^[\w@%+=:,./ -]+$/.test(command);
  return `|${shellWord(`${home}/bin/preline`)} ${isPlain ? command : `/bin/sh -c ${shellWord(command)}`}`;
}

function fileLine(path: string, { notes }: Surroundings): string[] {
  if (path === "/dev/null") return [];
  notes.remark("mail files and Maildirs have to be writable for the user whose .qmail file names them");
  return [path];
}

function forwardLine(target: string, owner: Owner, around: Surroundings): string[] {
  const address = unquoted(target.replace(/^\\/, ""));
  const at = address.lastIndexOf("@");
  const [box, domain] = at < 0 ? [address, undefined] : [address.slice(0, at), address.slice(at + 1)];
  if (box === "" || domain === "") return none(owner, around, target);
  if (address.toLowerCase() === owner.virtual?.toLowerCase())
    return none(owner, around, `${target}, which is the address itself`);
  const isLocal = domain === undefined ? around.isLocal(around.origin) : around.isLocal(domain);
  if (isLocal && box.toLowerCase() === owner.local.toLowerCase()) {
    if (owner.mailbox !== undefined) return [owner.mailbox];
    return none(owner, around, `${target}, which is the address itself: it has no mailbox in this home`);
  }
  return [`&${domain === undefined && !isLocal ? `${address}@${around.origin}` : address}`];
}

/** `"joe b"@host` without its quotation marks, as in an envelope. */
function unquoted(address: string): string {
  return address.replace(/^"((?:[^"\\]|\\.)*)"(?=@)/s, (_, box: string) => box.replace(/\\(.)/gs, "$1"));
}
