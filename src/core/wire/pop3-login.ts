/** The beginning of a POP3 session, up to the password (RFC 1939, 4 and 7; as qmail-popup(8) speaks it). */
import { bytes } from "../bytes/text.ts";
import { type Command, CommandReader } from "./commands.ts";

/** Who the client says it is. `secret` is a password, or the digest of APOP. */
export interface Credentials {
  user: Buffer;
  secret: Buffer;
}

const space = 32;

/** Bytes of a command line that are kept; of a longer one nothing is believed. */
const lineLimit = 16384;

const okay = "+OK ";
const syntax = "-ERR syntax error";
const wantUser = "-ERR USER first";
const authorize = "-ERR authorization first";

/** What a command does; returns what to say. */
type Handler = (session: Pop3Login, argument: Buffer) => string | undefined;

/** One session, until it knows the credentials or the client quits. */
export class Pop3Login {
  /** What is understood before the password. */
  static readonly #handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
    ["user", (session, user) => session.#setUser(user)],
    ["pass", (session, secret) => session.#setPassword(secret)],
    ["apop", (session, argument) => session.#setBoth(argument)],
    ["quit", (session) => session.#quit()],
    ["noop", () => okay],
  ]);

  readonly #reply: (line: Buffer) => void;
  readonly #commands = new CommandReader(lineLimit);
  #user: Buffer | undefined;
  #result: Credentials | "quit" | undefined;

  /** @param reply takes lines for the client, with CR LF; it may wait until feed() is done */
  constructor(reply: (line: Buffer) => void) {
    this.#reply = reply;
  }

  /** Set when the session is over: what the client wants to be let in with. */
  get result(): Credentials | "quit" | undefined {
    return this.#result;
  }

  /** The greeting; `stamp` is what an APOP digest is made with. */
  greet(stamp: Uint8Array): void {
    this.#send(`+OK ${Buffer.from(stamp).toString("latin1")}`);
  }

  /** Takes what the client sent; returns how much of it. What follows the command that ends the session is not taken. */
  feed(input: Buffer): number {
    let rest = input;
    while (rest.length > 0 && this.#result === undefined) {
      const { taken, command } = this.#commands.take(rest);
      rest = rest.subarray(taken);
      const reply = command && this.#obey(command);
      if (reply !== undefined) this.#send(reply);
    }
    return input.length - rest.length;
  }

  #send(line: string): void {
    this.#reply(bytes(`${line}\r\n`));
  }

  #obey({ verb, argument, whole }: Command): string | undefined {
    const handler = Pop3Login.#handlers.get(verb);
    if (handler === undefined) return authorize;
    return whole ? handler(this, argument) : syntax;
  }

  #setUser(user: Buffer): string {
    if (user.length === 0) return syntax;
    this.#user = Buffer.from(user);
    return okay;
  }

  #setPassword(secret: Buffer): string | undefined {
    if (this.#user === undefined) return wantUser;
    return secret.length === 0 ? syntax : this.#finish({ user: this.#user, secret: Buffer.from(secret) });
  }

  /** APOP: a name, one space, and everything behind it. */
  #setBoth(argument: Buffer): string | undefined {
    const end = argument.indexOf(space);
    if (end < 0) return syntax;
    const copy = Buffer.from(argument);
    return this.#finish({ user: copy.subarray(0, end), secret: copy.subarray(end + 1) });
  }

  #quit(): string {
    this.#result = "quit";
    return okay;
  }

  #finish(credentials: Credentials): undefined {
    this.#result = credentials;
  }
}
