/** syslog(3) and the clock it is stamped with. */
import { ptr } from "bun:ffi";
import { libc, zeroTerminated } from "./libc.ts";

/** Priorities and the facility of mail (sys/syslog.h). */
export const priority = { alert: 1, warning: 4, info: 6 } as const;
export const mailFacility = 2;

const facilityShift = 3;

/** libc keeps the address of the tag, and reads the format: neither may ever be collected. */
let tagInUse: Buffer | undefined;
const format = zeroTerminated("%s");

/** Names whose entries follow; `facility` is a number from 0 to 23. */
export function openLog(tag: Uint8Array, facility: number): void {
  tagInUse = zeroTerminated(tag);
  libc().openlog(ptr(tagInUse), 0, facility << facilityShift);
}

/** Makes one entry. Who reads it, and whether anybody does, is syslogd's: there is no way to fail. */
export function log(level: number, text: string): void {
  // A variadic function: with pointers only, Linux passes the arguments as to any other.
  libc().syslog(level, ptr(format), ptr(zeroTerminated(text)));
}

/** The time as `seconds.microseconds`, with six digits after the dot. */
export function timeStamp(): string {
  const time = new BigInt64Array(2);
  libc().gettimeofday(ptr(time), null);
  return `${time[0]}.${String(time[1]).padStart(6, "0")}`;
}
