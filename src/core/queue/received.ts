/** The Received field that qmail-queue puts before every message: who asked it to. */
import { date822 } from "../mail/date.ts";
import { type Role, roleUid } from "../sys/roles.ts";

/** The users whose messages have a meaning of their own (qmail-queue(8)). */
const callers: readonly (readonly [Role, string])[] = [
  ["alias", "by alias"],
  ["qmaild", "from network"],
  ["qmails", "for bounce"],
];

/** `Received: (qmail PID invoked by uid N); DATE\n`. */
export function queueReceived(pid: number, uid: number, unixSeconds: number): string {
  return `Received: (qmail ${pid} invoked ${how(uid)}); ${date822(unixSeconds)}`;
}

function how(uid: number): string {
  for (const [role, words] of callers) if (roleUid(role) === uid) return words;
  return `by uid ${uid}`;
}
