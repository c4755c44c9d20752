/** What the commands of qmail(1) share: their output, and the home they work in. */
import { type Given, textOf } from "../../core/cli/options.ts";
import { paint } from "../../core/cli/paint.ts";
import { refuse } from "../../core/cli/trouble.ts";
import { writeAll } from "../../core/sys/fd.ts";

export const colours = paint(process.stdout);

/** Prints a line. */
export const say = (line: string): void => writeAll(1, Buffer.from(`${line}\n`));

/** The home that was named, or the environment's. Refused (100) where there is neither. */
export function homeOf(given: Given): string {
  const home = textOf(given, "home") ?? process.env.QMAILHOME ?? "";
  if (home === "") throw refuse("which home? give --home DIR, or set QMAILHOME");
  return home;
}
