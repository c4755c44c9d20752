/**
 * Control files, read as qmail-control(5) says: one value in the first line, or a line each; blanks and tabs at the
 * end of a line do not count, nor do empty lines and lines that begin with `#` in lists.
 */
import { readFileSync, statSync } from "node:fs";
import { leadingNumber, splitAt, trimEnd } from "../bytes/text.ts";
import { isSystemError } from "../exit.ts";
import { inHome } from "../sys/home.ts";
import { KeptFiles } from "./kept-files.ts";

const lineFeed = 10;
const comment = 35;

let keeping = false;
let files: KeptFiles | undefined;
/** `files` are those of the home, as was found out a moment ago. */
let certain = false;

/** From now on what did not change is not read again. For programs that stay. */
export function keepControls(): void {
  keeping = true;
}

/** The files that are kept; undefined where none are. */
function kept(): KeptFiles | undefined {
  if (!keeping || (certain && files !== undefined)) return files;
  const directory = inHome("control");
  if (files?.directory !== directory) files = new KeptFiles(directory);
  return files;
}

/** What `work` reads of the control files is of one moment, so that their directory is looked at once for all of it. */
export function atOneMoment<Result>(work: () => Result): Result {
  const files = kept();
  if (files === undefined) return work();
  certain = true;
  try {
    return files.atOneMoment(work);
  } finally {
    certain = false;
  }
}

/** The bytes of control/`name`, or undefined if there is no such file. Any other trouble is thrown. */
export function readControl(name: string): Buffer | undefined {
  const files = kept();
  if (files !== undefined) return files.read(name);
  try {
    return readFileSync(inHome("control", name));
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

/** Whether there is a file control/`name`; which may be gone when it is opened. */
export function hasControl(name: string): boolean {
  const files = kept();
  if (files !== undefined) return files.status(name) !== undefined;
  return statSync(inHome("control", name), { throwIfNoEntry: false }) !== undefined;
}

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
