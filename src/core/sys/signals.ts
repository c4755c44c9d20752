/** What a process does about signals, through libc: the runtime can catch signals, but not ignore or unblock them. */
import type { Pointer } from "bun:ffi";
import { checked, libc, ptr } from "./libc.ts";

const standard = null;
const ignore = 1 as Pointer;
const signals = () => process.getBuiltinModule("node:os").constants.signals;
const setMask = 2;
const maskSize = 128;

/** Ignores signals, as SIG_IGN does: system calls are not interrupted, and programs executed from here ignore them, too. */
export function ignoreSignals(...names: NodeJS.Signals[]): void {
  for (const name of names) libc().signal(signals()[name], ignore);
}

/** Takes back what the runtime ignores, for a program that is executed in our place. */
export function restoreSignals(): void {
  for (const name of ["SIGPIPE", "SIGXFSZ"] as const) libc().signal(signals()[name], standard);
}

/** Unblocks every signal: who started this process may have left some blocked. */
export function unblockSignals(): void {
  checked("sigprocmask", libc().sigprocmask(setMask, ptr(Buffer.alloc(maskSize)), null));
}
