/** Waking qmail-send: one byte into the FIFO lock/trigger. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { queueRoot } from "./paths.ts";

/** Path of the FIFO. */
export const triggerPath = (): string => `${queueRoot()}/lock/trigger`;

/** Pulls the trigger. No failure matters: nobody listens, or its buffer is full; qmail-send also looks by itself. */
export function pullTrigger(): void {
  try {
    const fd = openSync(triggerPath(), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(fd, Buffer.of(0));
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}
