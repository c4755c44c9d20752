/** Whether this process may do what the queue program would. */
import { statSync } from "node:fs";
import { isSystemError } from "../exit.ts";
import { isThisExecutable } from "../sys/exec.ts";
import { inHome } from "../sys/home.ts";
import { idsAreReal } from "../sys/ids.ts";
import { queueRoot } from "./paths.ts";

/** Whether this process, as it is, would do exactly what bin/qmail-queue does: same code, same user. */
export function isOurselves(): boolean {
  try {
    const root = process.geteuid?.() === 0;
    // Started as root, qmail-queue becomes whom the queue belongs to.
    return (
      idsAreReal() &&
      isThisExecutable(inHome("bin/qmail-queue")) &&
      !(root && statSync(`${queueRoot()}/pid`).uid !== 0)
    );
  } catch (failure) {
    // What is missing will show in what the program says.
    if (isSystemError(failure)) return false;
    throw failure;
  }
}
