/** Why there is no connection, as far as it can be found out. */
import { closeSync, openSync } from "node:fs";
import { constants as os } from "node:os";
import { isSystemError } from "../exit.ts";
import { systemError } from "./libc.ts";

/**
 * The runtime reports every failure to connect as ECONNREFUSED. No host takes longer than this, in milliseconds, to
 * refuse: it was the kernel that gave up.
 */
const latestRefusal = 60_000;

/** `took`: how long it was tried, in milliseconds, by a clock that nobody sets. */
export function connectFailure(took: number): Error {
  try {
    closeSync(openSync("/dev/null", "r"));
  } catch (failure) {
    if (isSystemError(failure)) return failure;
    throw failure;
  }
  return systemError("connect", took < latestRefusal ? os.errno.ECONNREFUSED : os.errno.ETIMEDOUT);
}
