/** When messages came into a mailbox, and how long that is after somebody was told that they are kept. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { System } from "../peers/peer.ts";
import { tokenOf } from "../pure/text.ts";
import type { Acknowledged } from "./session.ts";

/**
 * Arrival times by token, in milliseconds since 1970: the change time of the inode, which the kernel sets when the file
 * gets its name in `new` (rename, or link and unlink), and never later as nobody reads the mailbox.
 */
export function arrivals(system: System, user: string): Map<string, number> {
  const times = new Map<string, number>();
  const buffer = Buffer.alloc(4096);
  for (const path of system.messages(user)) {
    const fd = openSync(path, "r");
    const token = tokenOf(buffer.toString("latin1", 0, readSync(fd, buffer, 0, buffer.length, 0)));
    closeSync(fd);
    if (token === undefined) throw new Error(`bench: ${path} has no token`);
    if (times.has(token)) throw new Error(`bench: message ${token} arrived twice`);
    times.set(token, statSync(path).ctimeMs);
  }
  return times;
}

/** Milliseconds from acknowledgement to mailbox, of every message; throws if one is missing. Negative: it was there first. */
export function latencies(
  acknowledged: ReadonlyMap<string, Acknowledged>,
  arrived: ReadonlyMap<string, number>,
): number[] {
  return [...acknowledged].map(([token, { at }]) => {
    const time = arrived.get(token);
    if (time === undefined) throw new Error(`bench: message ${token} was acknowledged and did not arrive`);
    return time - at;
  });
}
