/** Waiting, and what clocks on the wall show. */
import { ptr } from "bun:ffi";
import type { Calendar } from "../mail/date.ts";
import { checked, libc } from "./libc.ts";

const never = new Int32Array(new SharedArrayBuffer(4));

/** Stops the whole process for `milliseconds`: for one-shot programs only. */
export function pause(milliseconds: number): void {
  Atomics.wait(never, 0, 0, milliseconds);
}

/**
 * The local time, in the zone that $TZ or the system sets. The runtime's own Date knows only zones with names, not
 * those of POSIX (`TZ=XXX-5:30`).
 */
export function localCalendar(unixSeconds: number): Calendar {
  const seconds = BigInt64Array.of(BigInt(unixSeconds));
  const fields = new Int32Array(16);
  checked("localtime_r", libc().localtime_r(ptr(seconds), ptr(fields)) === null ? -1 : 0);
  const [second = 0, minute = 0, hour = 0, day = 1, month = 0, yearsSince1900 = 70] = fields;
  return { year: yearsSince1900 + 1900, month, day, hour, minute, second };
}
