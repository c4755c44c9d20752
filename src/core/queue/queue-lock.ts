/**
 * lock/sendmutex for the queue tools. They take ask/mutex first, and hold it as long as the other: so a qmail-send that
 * finds its lock taken can tell a tool, which it waits for, from another qmail-send.
 */
import { closeSync, constants, openSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { lockExclusive, tryLockExclusive } from "../sys/lock.ts";
import { askDirectory } from "./order-file.ts";

const { O_WRONLY, O_NONBLOCK, O_CREAT } = constants;
const sendLock = "lock/sendmutex";
const toolsLock = `${askDirectory}/mutex`;

/**
 * Does something while no qmail-send can run. False: one runs, or another tool is at it. The queue is the current
 * directory. `anyway`: where there is no file to lock, nobody can have it locked. `create`: what the tools lock is
 * made if it is missing; it is ours then.
 */
export async function withQueueLock(
  act: () => void | Promise<void>,
  { anyway, create } = { anyway: false, create: true },
): Promise<boolean> {
  const tools = openLock(toolsLock, O_WRONLY | O_NONBLOCK | (create ? O_CREAT : 0));
  try {
    if (tools !== undefined && !tryLockExclusive(tools)) return false;
    const send = openLock(sendLock, O_WRONLY | O_NONBLOCK);
    if (send === undefined && !anyway)
      throw Object.assign(new Error(`ENOENT: ${sendLock}`), { code: "ENOENT", errno: -2, path: sendLock });
    try {
      if (send !== undefined && !tryLockExclusive(send)) return false;
      await act();
      return true;
    } finally {
      if (send !== undefined) closeSync(send);
    }
  } finally {
    if (tools !== undefined) closeSync(tools);
  }
}

/** undefined: there is no such file, or no directory for it. */
function openLock(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags, 0o600);
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

/** For qmail-send: takes its lock, if need be when the tools are done. False: another qmail-send has it. */
export function lockForSending(fd: number): boolean {
  if (tryLockExclusive(fd)) return true;
  let tools: number;
  try {
    tools = openSync(toolsLock, O_WRONLY | O_NONBLOCK);
  } catch (failure) {
    if (isSystemError(failure)) return false;
    throw failure;
  }
  try {
    lockExclusive(tools);
    return tryLockExclusive(fd);
  } finally {
    closeSync(tools);
  }
}
