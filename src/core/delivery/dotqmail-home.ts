/** The checks before a delivery by .qmail file: the home directory, and that the message does not come round again. */
import { fstatSync, statSync } from "node:fs";
import { isSystemError, permanent, temporary } from "../exit.ts";
import { errorText } from "../sys/errors.ts";
import { readSome } from "../sys/fd.ts";
import { changeDirectory } from "../sys/libc.ts";

const writableByOthers = 0o002;
const sticky = 0o1000;
const chunk = 65536;
const lineFeed = 10;

/**
 * Makes the home the current directory.
 * @returns whether it is sticky, by which the user says that the .qmail files are being edited
 * @throws Exit 111 if it is not there or others may write in it
 */
export function enterHome(home: Buffer): { sticky: boolean } {
  try {
    changeDirectory(home);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`Unable to switch to ${home.toString("latin1")}: ${errorText(failure.code)}. (#4.3.0)\n`);
  }
  const mode = modeOfHome();
  if (mode & writableByOthers) throw temporary("Uh-oh: home directory is writable. (#4.7.0)\n");
  return { sticky: (mode & sticky) !== 0 };
}

function modeOfHome(): number {
  try {
    return statSync(".").mode;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`Unable to stat home directory: ${errorText(failure.code)}. (#4.3.0)\n`);
  }
}

/**
 * Refuses a message whose header has exactly this Delivered-To line. Leaves the descriptor's offset alone.
 * @throws Exit 100 for a loop; 111 if the message can not be read or is not in a file
 */
export function refuseLoop(message: number, deliveredTo: Buffer): void {
  if (!isSeekable(message)) throw temporary("Unable to rewind message. (#4.3.0)\n");
  if (headerHas(pieces(message), deliveredTo))
    throw permanent("This message is looping: it already has my Delivered-To line. (#5.4.6)\n");
}

/**
 * Whether a message can be read from this descriptor more than once. Only a file is one: where descriptor 0 was closed,
 * the runtime has put /dev/null there, and nothing would be delivered as an empty message.
 */
function isSeekable(message: number): boolean {
  const status = fstatSync(message);
  return status.isFile() || status.isDirectory();
}

/** Pieces of the message from its beginning. Each is valid until the next is asked for. */
function* pieces(message: number): Generator<Buffer> {
  const buffer = Buffer.allocUnsafe(chunk);
  for (let position = 0; ; ) {
    const length = readAt(message, buffer, position);
    if (length === 0) return;
    yield buffer.subarray(0, length);
    position += length;
  }
}

function readAt(message: number, buffer: Buffer, position: number): number {
  try {
    return readSome(message, buffer, position);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`Unable to read message: ${errorText(failure.code)}. (#4.3.0)\n`);
  }
}

/**
 * Whether a line of the header is `wanted`, which ends in a line feed. The header ends at an empty line; a last line
 * without line feed does not count. Of a line no more is kept than can matter.
 */
export function headerHas(parts: Iterable<Buffer>, wanted: Buffer): boolean {
  let kept = Buffer.alloc(0);
  for (const part of parts) {
    for (let start = 0; start < part.length; ) {
      const end = part.indexOf(lineFeed, start) + 1;
      const rest = part.subarray(start, end || part.length);
      const line = Buffer.concat([kept, rest.subarray(0, wanted.length + 1)]);
      kept = line.subarray(0, wanted.length + 1);
      start += rest.length;
      if (end === 0) continue;
      if (kept.length <= 1) return false;
      if (kept.equals(wanted)) return true;
      kept = Buffer.alloc(0);
    }
  }
  return false;
}
