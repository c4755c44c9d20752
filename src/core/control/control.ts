/**
 * Control files, read as qmail-control(5) says: one value in the first line, or a line each; blanks and tabs at the
 * end of a line do not count, nor do empty lines and lines that begin with `#` in lists.
 */
import { readFileSync, type Stats, statSync } from "node:fs";
import { leadingNumber, splitAt, trimEnd } from "../bytes/text.ts";
import { isSystemError } from "../exit.ts";
import { inHome } from "../sys/home.ts";

const lineFeed = 10;
const comment = 35;

/** What a program that stays has read: the bytes of a file, and which file that was. */
interface Kept {
  stat: Stats;
  bytes: Buffer;
}

let kept: Map<string, Kept> | undefined;

/** A file that changed so short a while ago, in milliseconds, may change again without its times telling. */
const unsettled = 2000;

/** From now on a file that did not change is not read again. For programs that stay. */
export function keepControls(): void {
  kept ??= new Map();
}

/** The bytes of control/`name`, or undefined if there is no such file. Any other trouble is thrown. */
export function readControl(name: string): Buffer | undefined {
  const path = inHome("control", name);
  try {
    return kept === undefined ? readFileSync(path) : readChanged(kept, path);
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

/** Looks whether it is still the file that was read; the time of its last change can not be set by anybody. */
function readChanged(files: Map<string, Kept>, path: string): Buffer | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const known = files.get(path);
  if (known !== undefined && isSame(known.stat, stat)) return known.bytes;
  const bytes = readFileSync(path);
  if (Date.now() - stat.ctimeMs > unsettled) files.set(path, { stat, bytes });
  else files.delete(path);
  return bytes;
}

const isSame = (one: Stats, other: Stats): boolean =>
  one.ctimeMs === other.ctimeMs && one.ino === other.ino && one.size === other.size && one.dev === other.dev;

/** The first line, without blanks at its end. */
export function controlLine(name: string): Buffer | undefined {
  const bytes = readControl(name);
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(10);
  return trimEnd(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The first line as a number: leading digits count; undefined where the file is missing or does not begin with a digit. */
export function controlNumber(name: string): number | undefined {
  const line = controlLine(name);
  return line === undefined ? undefined : leadingNumber(line);
}

/** The lines that count. */
export function controlLines(name: string): Buffer[] | undefined {
  const bytes = readControl(name);
  return bytes && significantLines(bytes);
}

/** The lines of a file in a control file's format that count. */
export function significantLines(bytes: Buffer): Buffer[] {
  return splitAt(bytes, lineFeed)
    .map(trimEnd)
    .filter((line) => line.length > 0 && line[0] !== comment);
}

/** control/me. */
export function me(): Buffer | undefined {
  return controlLine("me");
}
