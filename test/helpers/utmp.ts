/** Records of utmp(5) as glibc writes them. */
import { recordSize } from "../../src/core/sys/utmp.ts";

/** One record: its type (7: a user), the terminal and the user. */
export function utmpRecord(type: number, line: string, user: string): Buffer {
  const record = Buffer.alloc(recordSize);
  record.writeInt16LE(type, 0);
  record.write(line, 8, 32, "latin1");
  record.write(user, 44, 32, "latin1");
  return record;
}
