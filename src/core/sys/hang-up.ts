/** Letting somebody who reads from us know that nothing more will come. */
import { closeSync, constants, openSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { duplicateTo } from "./libc.ts";

/** Lets go of a descriptor; its number stays taken, so that nothing else gets it. */
export function hangUp(fd: number): void {
  try {
    const nothing = openSync("/dev/null", constants.O_WRONLY);
    duplicateTo(nothing, fd);
    closeSync(nothing);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    closeSync(fd);
  }
}
