/**
 * A POP3 session from the password on (RFC 1939, 5 to 7; as qmail-pop3d(8) speaks it): commands in, replies out, and
 * what is to be done to the messages, through the host that runs the session.
 */
import { bytes } from "../bytes/text.ts";
import { type Command, CommandReader } from "./commands.ts";
import { Pop3Encoder, Pop3Lines } from "./pop3-text.ts";

/** The program around the session, and its messages. They are counted from 0. What its methods throw ends feed(). */
export interface Pop3Host {
  /** How many messages there are. */
  readonly count: number;
  /** Names a message in every session (UIDL). */
  uid(index: number): Uint8Array;
  /** Bytes, as they are stored. */
  size(index: number): number;
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

const blank = bytes(" ");
const crLf = bytes("\r\n");

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
    ["list", (session, which) => session.#listing(which, (lines, index) => session.#addSize(lines, index))],
    ["uidl", (session, which) => session.#listing(which, (lines, index) => session.#addUid(lines, index))],
    ["dele", (session, which) => session.#delete(which)],
    ["retr", (session, which) => session.#retrieve(which)],
    ["rset", (session) => session.#reset()],
    ["last", (session) => `${okay}${session.#last}`],
    ["top", (session, which) => session.#retrieve(which)],
    ["noop", () => okay],
  ]);

  readonly #host: Pop3Host;
  readonly #commands = new CommandReader();
  readonly #deleted = new Set<number>();
  /** Bytes of all messages, and of those that are not deleted. */
  #bytes = 0;
  #left: number;
  #last = 0;
  #done = false;

  constructor(host: Pop3Host) {
    this.#host = host;
    for (let index = 0; index < host.count; index++) this.#bytes += host.size(index);
    this.#left = this.#bytes;
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

  #addSize(lines: Pop3Lines, index: number): void {
    lines.number(this.#host.size(index));
  }

  #addUid(lines: Pop3Lines, index: number): void {
    lines.text(this.#host.uid(index));
  }

  /** Deleted messages still count, but for nothing. */
  #stat(): string {
    return `${okay}${this.#host.count} ${this.#left}`;
  }

  #reset(): string {
    this.#deleted.clear();
    this.#left = this.#bytes;
    this.#last = 0;
    return okay;
  }

  #delete(argument: Buffer): string {
    const index = this.#which(argument);
    if (typeof index === "string") return index;
    this.#deleted.add(index);
    this.#left -= this.#host.size(index);
    this.#last = Math.max(this.#last, index + 1);
    return okay;
  }

  #listing(argument: Buffer, add: (lines: Pop3Lines, index: number) => void): string | undefined {
    const lines = new Pop3Lines((bytes) => this.#host.reply(bytes));
    const line = (index: number): void => {
      lines.number(index + 1);
      lines.text(blank);
      add(lines, index);
      lines.text(crLf);
    };
    const single = argument.length > 0 ? this.#which(argument) : undefined;
    if (typeof single === "string") return single;
    lines.text(bytes(single === undefined ? `${okay}\r\n` : okay));
    if (single !== undefined) line(single);
    else for (let index = 0; index < this.#host.count; index++) if (!this.#deleted.has(index)) line(index);
    lines.flush();
    return single === undefined ? "." : undefined;
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
    if (number > this.#host.count) return tooBig;
    return this.#deleted.has(number - 1) ? deleted : number - 1;
  }

  /** Everything the client wanted is done now, and nothing before (RFC 1939, 6). */
  #quit(): string {
    for (let index = 0; index < this.#host.count; index++)
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
