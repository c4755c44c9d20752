/** What qmail-inject is told by control files and the environment (qmail-inject(8)). */
import { readFileSync } from "node:fs";
import { lowerCase } from "../../core/bytes/text.ts";
import { controlLine, me, significantLines } from "../../core/control/control.ts";
import { isSystemError, temporary } from "../../core/exit.ts";
import type { ReversedAddress } from "../../core/mail/addresses.ts";
import { type Settings, Unparsable } from "../../core/mail/injection.ts";
import type { Author } from "../../core/mail/newfields.ts";
import { tokenize } from "../../core/mail/token822.ts";
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
  const ours = reading(me);
  const control = (name: string): string => {
    const line = reading(() => controlLine(name)) ?? ours;
    return variable(`QMAIL${name.toUpperCase()}`) ?? line?.toString("latin1") ?? name;
  };
  return {
    author: author(),
    completions: {
      defaultDomain: reversed(`.${control("defaultdomain")}`),
      defaultHost: reversed(`@${control("defaulthost")}`),
      plusDomain: reversed(`.${control("plusdomain")}`),
    },
    idHost: control("idhost"),
    letters: new Set(variable("QMAILINJECT")),
    lists,
    time: Math.floor(Date.now() / 1000),
    process: process.pid,
  };
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

function author(): Author {
  const host = variable("QMAILHOST", "MAILHOST");
  const user = variable("QMAILUSER", "MAILUSER", "USER", "LOGNAME") ?? "anonymous";
  return {
    user,
    host,
    name: variable("QMAILNAME", "MAILNAME", "NAME"),
    senderUser: variable("QMAILSUSER") ?? user,
    senderHost: variable("QMAILSHOST") ?? host,
  };
}

/** The first of some environment variables that is there, one character a byte. */
function variable(...names: string[]): string | undefined {
  for (const name of names) {
    const value = environment(name);
    if (value !== undefined) return value.toString("latin1");
  }
  return undefined;
}

function reversed(text: string): ReversedAddress {
  const tokens = tokenize(text);
  return parsing(() => {
    if (tokens === undefined) throw new Unparsable(text);
    return tokens.reverse();
  });
}
