/** What headers are completed with: control files, and the environment of who injects (qmail-inject(8)). */
import { type ReversedAddress, reversedAddress } from "../mail/addresses.ts";
import { type Settings, Unparsable } from "../mail/injection.ts";
import type { Author } from "../mail/newfields.ts";

/** Where the settings come from. Texts are byte strings: one character a byte. */
export interface Sources {
  /** The value of an environment variable. */
  variable: (name: string) => string | undefined;
  /** The first line of a control file, without blanks at its end. */
  line: (name: string) => Buffer | undefined;
}

/** What the moment says: mailing lists in small letters, seconds since 1970, and what tells this message from others. */
export type Moment = Pick<Settings, "lists" | "time" | "process">;

/** All settings of one message. @throws Unparsable where a host is none, and what `line` throws */
export function injectionSettings({ variable, line }: Sources, moment: Moment): Settings {
  const ours = line("me");
  const control = (name: string): string => {
    const own = line(name) ?? ours;
    return variable(`QMAIL${name.toUpperCase()}`) ?? own?.toString("latin1") ?? name;
  };
  return {
    author: author(variable),
    completions: {
      defaultDomain: reversed(`.${control("defaultdomain")}`),
      defaultHost: reversed(`@${control("defaulthost")}`),
      plusDomain: reversed(`.${control("plusdomain")}`),
    },
    idHost: control("idhost"),
    letters: new Set(variable("QMAILINJECT")),
    ...moment,
  };
}

function author(variable: Sources["variable"]): Author {
  const first = (...names: string[]): string | undefined => {
    for (const name of names) {
      const value = variable(name);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const host = first("QMAILHOST", "MAILHOST");
  const user = first("QMAILUSER", "MAILUSER", "USER", "LOGNAME") ?? "anonymous";
  return {
    user,
    host,
    name: first("QMAILNAME", "MAILNAME", "NAME"),
    senderUser: variable("QMAILSUSER") ?? user,
    senderHost: variable("QMAILSHOST") ?? host,
  };
}

function reversed(text: string): ReversedAddress {
  const tokens = reversedAddress(text);
  if (tokens === undefined) throw new Unparsable(text);
  return tokens;
}
