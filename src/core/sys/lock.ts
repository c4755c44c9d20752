/** flock(2) on an open file. Released when the last descriptor of that open file closes. */
import { constants as os } from "node:os";
import { errno, libc, systemError } from "./libc.ts";

const exclusive = 2;
const nonBlocking = 4;

/** Waits for the lock. */
export function lockExclusive(fd: number): void {
  while (libc().flock(fd, exclusive) === -1) {
    const number = errno();
    if (number !== os.errno.EINTR) throw systemError("flock", number);
  }
}

/** Takes the lock if it is free; false if another process has it. */
export function tryLockExclusive(fd: number): boolean {
  if (libc().flock(fd, exclusive | nonBlocking) === 0) return true;
  const number = errno();
  if (number === os.errno.EWOULDBLOCK) return false;
  throw systemError("flock", number);
}
