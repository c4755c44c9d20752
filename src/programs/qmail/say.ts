/** What the commands of qmail(1) share: their output, and the home they work in. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Given, textOf } from "../../core/cli/options.ts";
import { paint } from "../../core/cli/paint.ts";
import { refuse } from "../../core/cli/trouble.ts";
import { writeAll } from "../../core/sys/fd.ts";
import { qmailHome } from "../../core/sys/home.ts";

export const colours = paint(process.stdout);

/** Prints a line. */
export const say = (line: string): void => writeAll(1, Buffer.from(`${line}\n`));

/** The home that was named, or the environment's. Refused (100) where there is neither. */
export function homeOf(given: Given): string {
  const home = textOf(given, "home") ?? process.env.QMAILHOME ?? "";
  if (home === "") throw refuse("which home? give --home DIR, or set QMAILHOME");
  return home;
}

/** Makes the home that was named, if one was, that of everything below. It need not be there. */
export function chooseHome(given: Given): void {
  const home = textOf(given, "home");
  if (home !== undefined) process.env.QMAILHOME = resolve(home);
}

/**
 * Makes the home that was named the one that everything below works in; where none is, it is the environment's, or the
 * system's. Refused (100) where there is no mail system.
 */
export function useHome(given: Given): string {
  const home = resolve(textOf(given, "home") ?? qmailHome());
  if (!existsSync(`${home}/control`))
    throw refuse(`${home} is no qmail home: it has no directory control; give --home DIR, or set QMAILHOME`);
  process.env.QMAILHOME = home;
  return home;
}

const usualWidth = 80;

/** Columns of the terminal, or what is usual where the output is none. */
export const widthOfOutput = (): number => Math.max(40, process.stdout.columns ?? usualWidth);
