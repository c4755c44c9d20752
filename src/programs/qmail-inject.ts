/** qmail-inject(8): completes the header of a message and hands the message to qmail-queue, or prints it. */
import { readFileSync } from "node:fs";
import { Options } from "../core/bytes/options.ts";
import { bytes, lowerCase } from "../core/bytes/text.ts";
import { controlLine, me, significantLines } from "../core/control/control.ts";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import type { Completions, ReversedAddress } from "../core/mail/addresses.ts";
import { readHeader } from "../core/mail/header.ts";
import { type Author, Injection, type Settings, Unparsable } from "../core/mail/injection.ts";
import { tokenize } from "../core/mail/token822.ts";
import { Submission } from "../core/queue/submit.ts";
import { environment } from "../core/sys/arguments.ts";
import { Reader, Writer } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";

const program = "qmail-inject";
const fatal = `${program}: fatal:`;

/** Where the finished message goes. */
interface Destination {
  write(bytes: Uint8Array): void;
  /** Gives it up. */
  abandon(): void;
  /** Ends it; returns the exit code. */
  end(injection: Injection, recipients: string[]): Promise<number>;
}

/** Which recipients count: those of the command line, of the header, or both. */
type Recipients = "arguments" | "header" | "both";

export async function main(args: Buffer[]): Promise<number> {
  const injection = new Injection(settings());
  let chosen: Recipients | undefined;
  let print = false;
  const options = new Options(args, { program, letters: "aAhHnNf:" });
  for (const { letter, argument } of options) {
    if (letter === "f") parsing(() => injection.setSender(argument));
    else if (letter === "n" || letter === "N") print = letter === "n";
    else
      chosen = letter === "a" ? "arguments" : letter === "h" ? "header" : letter === "H" ? "both" : undefined;
  }
  const recipients = chosen ?? (options.rest.length > 0 ? "arguments" : "header");
  if (recipients !== "header") for (const recipient of options.rest) addRecipient(injection, recipient);
  const destination = print ? new Print() : new Queue();
  try {
    copy(injection, print, destination);
  } catch (failure) {
    destination.abandon();
    throw failure;
  }
  return destination.end(injection, injection.recipients(recipients !== "arguments"));
}

/** Reads the message and writes it with its new header. */
function copy(injection: Injection, withReturnPath: boolean, destination: Destination): void {
  const input = new Reader(0);
  const bodyStart = readHeader(
    () => reading(() => input.line()),
    (field) => parsing(() => injection.field(field)),
  );
  for (const part of parsing(() => injection.header(withReturnPath))) destination.write(part);
  destination.write(bodyStart);
  let last = bodyStart.at(-1);
  for (let part = reading(() => input.chunk()); part.length > 0; part = reading(() => input.chunk())) {
    destination.write(part);
    last = part.at(-1);
  }
  if (last !== undefined && last !== 10) destination.write(bytes("\n"));
}

/** What the control files and the environment say. */
function settings(): Settings {
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
  const completions: Completions = {
    defaultDomain: reversed(`.${control("defaultdomain")}`),
    defaultHost: reversed(`@${control("defaulthost")}`),
    plusDomain: reversed(`.${control("plusdomain")}`),
  };
  return {
    author: author(),
    completions,
    idHost: control("idhost"),
    letters: new Set(variable("QMAILINJECT")),
    lists,
    time: Math.floor(Date.now() / 1000),
    process: process.pid,
  };
}

/** The addresses in the file that $QMAILMFTFILE names. */
function mailingLists(): Set<string> | undefined {
  const path = environment("QMAILMFTFILE");
  if (path === undefined) return undefined;
  const content = reading(() => {
    try {
      return readFileSync(path);
    } catch (failure) {
      if (isSystemError(failure, "ENOENT")) return undefined;
      throw failure;
    }
  });
  return content && new Set(significantLines(content).map((line) => lowerCase(line).toString("latin1")));
}

/** The first of some environment variables that is there. */
function variable(...names: string[]): string | undefined {
  for (const name of names) {
    const value = environment(name);
    if (value !== undefined) return value.toString("latin1");
  }
  return undefined;
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

function reversed(text: string): ReversedAddress {
  const tokens = tokenize(text);
  if (tokens === undefined) throw permanent(`${fatal} unable to parse this line:\n${text}`);
  return tokens.reverse();
}

function addRecipient(injection: Injection, address: Buffer): void {
  try {
    injection.addRecipient(address);
  } catch (failure) {
    if (!(failure instanceof Unparsable)) throw failure;
    throw permanent(`${fatal} unable to parse address: ${failure.line}\n`);
  }
}

/** A line that is wrong ends the program. */
function parsing<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (failure) {
    if (!(failure instanceof Unparsable)) throw failure;
    throw permanent(`${fatal} unable to parse this line:\n${failure.line}`);
  }
}

/** A file that cannot be read ends the program. */
function reading<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${fatal} read error\n`);
  }
}

/** Into the queue. */
class Queue implements Destination {
  readonly #submission = new Submission();

  write(part: Uint8Array): void {
    this.#submission.message(part);
  }

  abandon(): void {
    this.#submission.abandon();
  }

  async end(injection: Injection, recipients: string[]): Promise<number> {
    this.#submission.from(bytes(injection.sender));
    for (const recipient of recipients) this.#submission.to(bytes(recipient));
    const verdict = await this.#submission.close();
    if (verdict.accepted) return 0;
    const text = `${fatal} ${verdict.report.slice(1)}\n`;
    throw verdict.report.startsWith("D") ? permanent(text) : temporary(text);
  }
}

/** Onto descriptor 1. */
class Print implements Destination {
  readonly #out = new Writer(1);

  write(part: Uint8Array): void {
    this.#printing(() => this.#out.write(part));
  }

  abandon(): void {}

  async end(): Promise<number> {
    this.#printing(() => this.#out.flush());
    return 0;
  }

  /** A reader that wants no more is none of our business; a full disk is. */
  #printing(work: () => void): void {
    try {
      work();
    } catch (failure) {
      if (isSystemError(failure, "EPIPE")) return;
      if (!isSystemError(failure)) throw failure;
      throw temporary(`${fatal} unable to write to descriptor 1: ${failure.code}\n`);
    }
  }
}
