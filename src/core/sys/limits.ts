/** What the kernel lets this process have. */
import { readFileSync } from "node:fs";

/** The soft limit of open files (getrlimit(2)); Infinity if there is none. */
export function openFileLimit(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}
