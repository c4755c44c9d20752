/**
 * A POP3 session from the password on (RFC 1939, 5 to 7; as qmail-pop3d(8) speaks it): commands in, replies out, and
 * what is to be done to the messages, through the host that runs the session.
 */
import { bytes } from "../bytes/text.ts";
import { type Command, CommandReader } from "./commands.ts";
import { Pop3Encoder } from "./pop3-text.ts";

/** A message as the client gets to know it. */
export interface Pop3Message {
  /** Names it in every session (UIDL). */
  uid: Uint8Array;
  /** Bytes, as they are stored. */
  size: number;
}

/** The program around the session. Messages are counted from 0. What its methods throw ends feed(). */
export interface Pop3Host {
  /** To the client. It may wait until feed() is done. */
  reply(bytes: Buffer): void;
  /** The bytes of a message, piece by piece; undefined if it cannot be opened. */
  open(index: number): Iterable<Buffer> | undefined;
  /** Removes a message for good; false if that fails. */
  remove(index: number): boolean;
  /** The client has left a message here: it is not new any more. */
  keep(index: number): void;
}

const space = 32;
const zero = 48;
const nine = 57;

const okay = "+OK ";
const syntax = "-ERR syntax error";
const unimplemented = "-ERR unimplemented";
const deleted = "-ERR already deleted";
const noZero = "-ERR messages are counted from 1";
const tooBig = "-ERR not that many messages";
const noSuch = "-ERR unable to open that message";
const notRemoved = "-ERR unable to unlink all deleted messages";

/** What a command does; returns what to say, unless it has said it. */
type Handler = (session: Pop3Server, argument: Buffer) => string | undefined;

/** One session. */
export class Pop3Server {
  static readonly #handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
    ["quit", (session) => session.#quit()],
    ["stat", (session) => session.#stat()],
    ["list", (session, which) => session.#listing(which, (index) => session.#message(index).size)],
    ["uidl", (session, which) => session.#listing(which, (index) => session.#uid(index))],
    ["dele", (session, which) => session.#delete(which)],
    ["retr", (session, which) => session.#retrieve(which)],
    ["rset", (session) => session.#reset()],
    ["last", (session) => `${okay}${session.#last}`],
    ["top", (session, which) => session.#retrieve(which)],
    ["noop", () => okay],
  ]);

  readonly #messages: readonly Pop3Message[];
  readonly #host: Pop3Host;
  readonly #commands = new CommandReader();
  readonly #deleted = new Set<number>();
  #last = 0;
  #done = false;

  constructor(messages: readonly Pop3Message[], host: Pop3Host) {
    this.#messages = messages;
    this.#host = host;
  }

  /** Whether the client has quit. */
  get done(): boolean {
    return this.#done;
  }

  /** The first reply; once, before feed(). */
  greet(): void {
    this.#send(okay);
  }

  /** Takes what the client sent. */
  feed(input: Buffer): void {
    for (let rest = input; rest.length > 0 && !this.#done; ) {
      const { taken, command } = this.#commands.take(rest);
      rest = rest.subarray(taken);
      const reply = command && this.#obey(command);
      if (reply !== undefined) this.#send(reply);
    }
  }

  #send(line: string): void {
    this.#host.reply(bytes(`${line}\r\n`));
  }

  #obey({ verb, argument }: Command): string | undefined {
    const handler = Pop3Server.#handlers.get(verb);
    return handler === undefined ? unimplemented : handler(this, argument);
  }

  #message(index: number): Pop3Message {
    const message = this.#messages[index];
    if (message === undefined) throw new RangeError(`message ${index}`);
    return message;
  }

  #uid(index: number): string {
    return Buffer.from(this.#message(index).uid).toString("latin1");
  }

  /** Deleted messages still count, but for nothing. */
  #stat(): string {
    let total = 0;
    for (const [index, { size }] of this.#messages.entries()) if (!this.#deleted.has(index)) total += size;
    return `${okay}${this.#messages.length} ${total}`;
  }

  #reset(): string {
    this.#deleted.clear();
    this.#last = 0;
    return okay;
  }

  #delete(argument: Buffer): string {
    const index = this.#which(argument);
    if (typeof index === "string") return index;
    this.#deleted.add(index);
    this.#last = Math.max(this.#last, index + 1);
    return okay;
  }

  #listing(argument: Buffer, about: (index: number) => number | string): string | undefined {
    if (argument.length > 0) {
      const index = this.#which(argument);
      return typeof index === "string" ? index : `${okay}${index + 1} ${about(index)}`;
    }
    this.#send(okay);
    for (const index of this.#messages.keys())
      if (!this.#deleted.has(index)) this.#send(`${index + 1} ${about(index)}`);
    return ".";
  }

  /** RETR and TOP, which are the same: a second number says how many lines of the body to send. */
  #retrieve(argument: Buffer): string | undefined {
    const index = this.#which(argument);
    if (typeof index === "string") return index;
    const pieces = this.#host.open(index);
    if (pieces === undefined) return noSuch;
    this.#send(okay);
    const lines = leadingDigits(withoutSpaces(leadingDigits(argument).rest));
    const encoder = new Pop3Encoder(lines.value);
    for (const piece of pieces) {
      this.#host.reply(encoder.take(piece));
      if (encoder.done) break;
    }
    this.#host.reply(encoder.end());
    return undefined;
  }

  /** The index of the message that an argument names, or what is wrong with it. */
  #which(argument: Buffer): number | string {
    const { value: number } = leadingDigits(argument);
    if (number === undefined) return syntax;
    if (number === 0) return noZero;
    if (number > this.#messages.length) return tooBig;
    return this.#deleted.has(number - 1) ? deleted : number - 1;
  }

  /** Everything the client wanted is done now, and nothing before (RFC 1939, 6). */
  #quit(): string {
    for (const index of this.#messages.keys())
      if (!this.#deleted.has(index)) this.#host.keep(index);
      else if (!this.#host.remove(index)) this.#send(notRemoved);
    this.#done = true;
    return okay;
  }
}

/** The number at the beginning of a text, undefined without a digit, and what follows it. */
function leadingDigits(text: Buffer): { value: number | undefined; rest: Buffer } {
  let end = 0;
  for (let digit = text[0] ?? 0; digit >= zero && digit <= nine; digit = text[end] ?? 0) end++;
  // The original counts in 64 bits and begins anew behind the last number.
  const value = Number(BigInt.asUintN(64, BigInt(text.toString("latin1", 0, end))));
  return { value: end === 0 ? undefined : value, rest: text.subarray(end) };
}

function withoutSpaces(text: Buffer): Buffer {
  let start = 0;
  while (text[start] === space) start++;
  return text.subarray(start);
}
