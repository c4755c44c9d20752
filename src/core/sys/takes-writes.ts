/** Whether a flush was one. */
import { closeSync, constants, openSync } from "node:fs";
import { isSystemError } from "../exit.ts";

/** open(2): a file without a name, in this directory; closed, it is gone. */
const temporaryFile = 0o20000000 | constants.O_DIRECTORY | constants.O_WRONLY;

/**
 * Throws if the file system of a directory takes no more writes: after a flush, this tells whether the flush was one.
 * When ext4 gives up its journal, there are milliseconds in which a flush that begins finds nothing left to write, and
 * says that all is well (Linux 6.18; seen with syncfs, 5 files lost of 8 that were acknowledged then). But nothing new
 * can be made from that moment on. Other failures tell nothing of what was flushed: no inode left, not our directory,
 * no such files here.
 */
export function mustTakeWrites(directory: string | Buffer): void {
  let fd: number;
  try {
    fd = openSync(directory, temporaryFile, 0o600);
  } catch (failure) {
    if (isSystemError(failure, "EROFS") || isSystemError(failure, "EIO")) throw failure;
    return;
  }
  closeSync(fd);
}
