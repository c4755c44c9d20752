/** The rows that `npm test` leaves to `npm run interop`: they take long, and others try much of the same. */
import type { Group, Row } from "./rows/row.ts";

/** By group: all of its rows, or those of these directions. */
export const left: Readonly<Record<string, "all" | readonly string[]>> = {
  reading: [
    "qmail-pop3d -> a client that leaves mail there for days (poplib)",
    "Maildir -> Dovecot by IMAP -> getmail",
  ],
  postfix: ["qmqp-source -> qmail-qmqpd"],
  // cron starts a job once a minute.
  sending: ["guide-sending(7): cron"],
  // The group supervision tries these programs, too.
  "services-daemontools": "all",
  "services-runit": "all",
  "services-s6": "all",
  // The groups postfix, exim and opensmtpd try these, too.
  "neighbours-postfix": "all",
  "neighbours-exim": "all",
  "neighbours-opensmtpd": "all",
};

export function isLeft(group: Group, { direction }: Row): boolean {
  const directions = left[group.name] ?? [];
  return directions === "all" || directions.includes(direction);
}
