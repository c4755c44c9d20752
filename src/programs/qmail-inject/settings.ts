/** What qmail-inject is told by control files and the environment (qmail-inject(8)). */
import { readFileSync } from "node:fs";
import { lowerCase } from "../../core/bytes/text.ts";
import { controlLine, significantLines } from "../../core/control/control.ts";
import { injectionSettings } from "../../core/control/injecting.ts";
import { isSystemError, temporary } from "../../core/exit.ts";
import type { Settings } from "../../core/mail/injection.ts";
import { environment } from "../../core/sys/arguments.ts";
import { qmailHome } from "../../core/sys/home.ts";
import { asPath } from "../../core/sys/path.ts";
import { fatal, parsing, reading } from "./failures.ts";

/** Enters the home and reads everything. */
export function settings(): Settings {
  const lists = mailingLists();
  try {
    process.chdir(qmailHome());
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${fatal} internal bug\n`);
  }
  const line = (name: string) => reading(() => controlLine(name));
  const moment = { lists, time: Math.floor(Date.now() / 1000), process: process.pid };
  return parsing(() => injectionSettings({ variable, line }, moment));
}

/** The addresses in the file that $QMAILMFTFILE names, which is relative to the directory we were started in. */
function mailingLists(): Set<string> | undefined {
  const path = environment("QMAILMFTFILE");
  if (path === undefined) return undefined;
  const content = reading(() => contentOf(path));
  return content && new Set(significantLines(content).map((line) => lowerCase(line).toString("latin1")));
}

function contentOf(path: Buffer): Buffer | undefined {
  try {
    return readFileSync(asPath(path));
  } catch (failure) {
    if (isSystemError(failure, "ENOENT")) return undefined;
    throw failure;
  }
}

/** An environment variable, one character a byte. */
const variable = (name: string): string | undefined => environment(name)?.toString("latin1");
