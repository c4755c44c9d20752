/** Names of messages in a Maildir: unique among all deliveries to it, on any host, at any time (maildir(5)). */
import { hostname } from "node:os";

/** Above every process number, so that the deliveries of one process in one second have numbers of no other process. */
const step = 10_000_000;

/** The newest second in which this process delivered, and how often since it began. */
let second = 0;
let deliveries = 0;
let host = "";

/** Characters that a file name can not or must not have, written as maildir(5)'s octal escapes. */
export const safeHost = (host: string): string => host.replaceAll("/", "\\057").replaceAll(":", "\\072");

/**
 * `time.pid.host`, the name for a delivery that begins now. A process that delivers several times in a second gets
 * higher numbers in the place of its pid; while the clock goes back, its newest second goes on.
 */
export function uniqueName(now = Math.floor(Date.now() / 1000)): string {
  if (now > second) {
    second = now;
    deliveries = 0;
    host = safeHost(hostname());
  } else deliveries++;
  return `${second}.${process.pid + deliveries * step}.${host}`;
}
