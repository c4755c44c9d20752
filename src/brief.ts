/** The programs that live for one message and are started for each: the build makes one bundle of all they need. */
export const brief = [
  "bouncesaying",
  "condredirect",
  "except",
  "forward",
  "preline",
  "qmail-inject",
  "qmail-queue",
  "sendmail",
] as const;

/** Name of one of them. */
export type Brief = (typeof brief)[number];
