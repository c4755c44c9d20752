/** How much memory a program uses. */
import { readFileSync } from "node:fs";
import { isSystemError } from "../../src/core/exit.ts";

const interval = 5;

/**
 * Watches a process until the returned function is called, which gives the most memory it used, in bytes. Not
 * getrusage's maxrss: that of a child begins with what its parent used when it was started.
 */
export function watchMemory(pid: number): () => number {
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, highWaterMark(pid));
  };
  const timer = setInterval(look, interval);
  look();
  return () => {
    clearInterval(timer);
    return peak;
  };
}

/** VmHWM of a process, which only grows; 0 once it is gone. */
function highWaterMark(pid: number): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch (failure) {
    if (isSystemError(failure, "ENOENT") || isSystemError(failure, "ESRCH")) return 0;
    throw failure;
  }
}
