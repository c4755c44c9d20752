/**
 * The server's side of an SMTP session (RFC 5321, as qmail-smtpd(8) speaks it): bytes of the client in, replies and
 * messages out, through the host that runs the session. Whatever a stranger sends, the memory it takes is bounded.
 */
import { bytes, equalFold, leadingNumber, lowerCase } from "../bytes/text.ts";
import { receivedField } from "../mail/received.ts";
import { type Command, CommandReader } from "./commands.ts";
import type { Connection, IntakeHost, IntakeMessage } from "./intake.ts";
import { IncomingMessage } from "./smtp-server-message.ts";
import { addressLiteral, type Path, parsePath } from "./smtp-server-path.ts";
import { enhancedLine, plainLine, type Reply, replies } from "./smtp-server-replies.ts";

/** Extensions beyond 8BITMIME and PIPELINING: offered only where they are asked for, since they change replies. */
export const smtpExtensions = ["SIZE", "SMTPUTF8", "ENHANCEDSTATUSCODES"] as const;
export type SmtpExtension = (typeof smtpExtensions)[number];

/** What a session needs to know beforehand. */
export interface SmtpSettings {
  greeting: Uint8Array;
  connection: Connection;
  /** The client may send anywhere, and this is put behind every recipient. */
  relayClient: Uint8Array | undefined;
  /** The most bytes of a message; 0: no limit. */
  sizeLimit: number;
  /** Senders refused: addresses and `@host`s in small letters; characters are bytes. */
  badSenders: ReadonlySet<string>;
  /** Replaces a literal with one of our own IP addresses. */
  localIpHost: Uint8Array | undefined;
  extensions: ReadonlySet<SmtpExtension>;
}

/** The program around the session. What its methods throw ends feed(). */
export interface SmtpHost extends Omit<IntakeHost, "open"> {
  /** Whether an IP address is one of ours. */
  isOurs(ip: string): boolean;
  /** Whether mail for this address is taken from anybody. */
  allows(recipient: Buffer): boolean | Promise<boolean>;
  /** What this client hears at each recipient that it may send to, if it is to be kept out. */
  refusal(): Reply | undefined | Promise<Reply | undefined>;
  /** Whether an address that mail is taken for leads anywhere, as far as that is to be found out now. */
  exists(recipient: Buffer): boolean | Promise<boolean>;
  /** Starts a message; undefined: not now. */
  open(): IntakeMessage | undefined;
}

/** What MAIL and RCPT said. */
interface Transaction {
  sender: Buffer;
  isBad: boolean;
  utf8: boolean;
  recipients: Buffer[];
  /** Memory that the recipients take, about. */
  size: number;
}

/** A message being received, and whom it is from and for. */
interface Receiving {
  transaction: Transaction;
  message: IncomingMessage;
}

/** Longest address, without the NUL behind it. */
const addressLimit = 899;

/** Memory that the recipients of one message may take, and that each takes beside its bytes. */
const recipientsLimit = 8 << 20;
const recipientOverhead = 128;

/** What a command does; returns what to say. */
type Handler = (session: SmtpServer, command: Command) => Reply | Promise<Reply>;

const unimplemented: Handler = () => replies.unimplemented;

/** The fixed replies as they are sent. */
const isFixed: ReadonlySet<Reply> = new Set(Object.values(replies));
const plainWords = new Map<Reply, Buffer>();
const enhancedWords = new Map<Reply, Buffer>();

/** One session. */
export class SmtpServer {
  /** RFC 5321, 4.1.1; whatever is not here is not implemented. */
  static readonly #handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
    ["rcpt", (session, command) => session.#rcpt(command)],
    ["mail", (session, command) => session.#mail(command)],
    ["data", (session) => session.#open()],
    ["quit", (session) => session.#quit()],
    ["helo", (session, command) => session.#hello(command, [])],
    ["ehlo", (session, command) => session.#hello(command, session.#keywords())],
    ["rset", (session) => session.#reset()],
    ["help", () => replies.help],
    ["noop", () => replies.ok],
    ["vrfy", () => replies.verify],
  ]);

  /** A reply as this session says it, without CR LF. */
  readonly line: (reply: Reply) => string;
  readonly #fixed: Map<Reply, Buffer>;
  readonly #settings: SmtpSettings;
  readonly #host: SmtpHost;
  readonly #greeting: string;
  readonly #commands = new CommandReader();
  #helo: Buffer | undefined;
  #transaction: Transaction | undefined;
  #receiving: Receiving | undefined;
  #exitCode: number | undefined;

  constructor(settings: SmtpSettings, host: SmtpHost) {
    this.#settings = settings;
    this.#host = host;
    this.#greeting = Buffer.from(settings.greeting).toString("latin1");
    const isEnhanced = settings.extensions.has("ENHANCEDSTATUSCODES");
    this.line = isEnhanced ? enhancedLine : plainLine;
    this.#fixed = isEnhanced ? enhancedWords : plainWords;
  }

  /** Set when the session is over: 0 after QUIT, 1 after an error that ends it. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Whether the client is between MAIL and the end of its message. */
  get inTransaction(): boolean {
    return this.#transaction !== undefined || this.#receiving !== undefined;
  }

  /** The first reply; once, before feed(). */
  async greet(): Promise<void> {
    await this.#reply({ text: `220 ${this.#greeting} ESMTP`, code: null });
  }

  /** Takes what the client sent. One call at a time; the bytes may be overwritten when it is done. */
  async feed(input: Buffer): Promise<void> {
    for (let rest = input; rest.length > 0 && this.#exitCode === undefined; ) {
      const taken =
        this.#receiving === undefined ? await this.#obey(rest) : await this.#receive(this.#receiving, rest);
      if (taken === rest.length) return;
      rest = rest.subarray(taken);
    }
  }

  /** One command; returns the number of bytes that were that. */
  async #obey(input: Buffer): Promise<number> {
    const { taken, command } = this.#commands.take(input);
    if (command === undefined) return taken;
    const handler = SmtpServer.#handlers.get(command.verb) ?? unimplemented;
    const reply = handler(this, command);
    const sent = this.#reply(reply instanceof Promise ? await reply : reply);
    if (sent instanceof Promise) await sent;
    return taken;
  }

  #reply(reply: Reply): void | Promise<void> {
    return this.#host.reply(this.#words(reply));
  }

  /** A fixed reply is put into bytes once for all sessions. */
  #words(reply: Reply): Buffer {
    const known = this.#fixed.get(reply);
    if (known !== undefined) return known;
    const words = bytes(`${this.line(reply)}\r\n`);
    if (isFixed.has(reply)) this.#fixed.set(reply, words);
    return words;
  }

  #quit(): Reply {
    this.#exitCode = 0;
    return { text: `221 ${this.#greeting}` };
  }

  #hello({ argument }: Command, keywords: readonly string[]): Reply {
    this.#transaction = undefined;
    const honest = equalFold(argument, asBytes(this.#settings.connection.remoteHost));
    this.#helo = honest ? undefined : Buffer.from(argument);
    const lines = [this.#greeting, ...keywords];
    const last = lines.length - 1;
    return {
      text: lines.map((line, index) => `250${index < last ? "-" : " "}${line}`).join("\r\n"),
      code: null,
    };
  }

  #keywords(): string[] {
    const { extensions, sizeLimit } = this.#settings;
    const offered = smtpExtensions.filter((extension) => extensions.has(extension));
    return [
      ...offered.map((keyword) => (keyword === "SIZE" ? `SIZE ${sizeLimit}` : keyword)),
      "PIPELINING",
      "8BITMIME",
    ];
  }

  #reset(): Reply {
    this.#transaction = undefined;
    return replies.flushed;
  }

  /** The address of MAIL or RCPT; undefined: it is not acceptable. */
  #path({ argument, whole }: Command): Path | undefined {
    const path = parsePath(argument);
    const literal = this.#settings.localIpHost && addressLiteral(path.address);
    if (literal !== undefined && this.#host.isOurs(literal.ip))
      path.address = Buffer.concat([
        path.address.subarray(0, literal.at),
        this.#settings.localIpHost ?? Buffer.of(),
      ]);
    return whole && path.address.length <= addressLimit ? path : undefined;
  }

  #mail(command: Command): Reply {
    const path = this.#path(command);
    if (path === undefined) return replies.syntax;
    const { extensions, sizeLimit } = this.#settings;
    // They mean something only to extensions.
    const parameters = extensions.size === 0 ? [] : path.rest.toString("latin1").toUpperCase().split(" ");
    if (extensions.has("SIZE") && sizeLimit > 0 && sizeIn(parameters) > sizeLimit) return replies.tooBig;
    this.#transaction = {
      sender: path.address,
      isBad: this.#isBad(path.address),
      utf8: extensions.has("SMTPUTF8") && parameters.includes("SMTPUTF8"),
      recipients: [],
      size: 0,
    };
    return replies.senderOk;
  }

  #isBad(sender: Buffer): boolean {
    const { badSenders } = this.#settings;
    if (badSenders.size === 0) return false;
    const address = lowerCase(sender).toString("latin1");
    const host = address.lastIndexOf("@");
    return badSenders.has(address) || (host >= 0 && badSenders.has(address.slice(host)));
  }

  async #rcpt(command: Command): Promise<Reply> {
    const transaction = this.#transaction;
    if (transaction === undefined) return replies.wantMail;
    const path = this.#path(command);
    if (path === undefined) return replies.syntax;
    if (transaction.isBad) return replies.badSender;
    const { relayClient } = this.#settings;
    const free = relayClient !== undefined;
    if (!free && !(await this.#host.allows(path.address))) return replies.noGateway;
    const refusal = await this.#host.refusal();
    if (refusal !== undefined) return refusal;
    if (!free && !(await this.#host.exists(path.address))) return replies.noMailbox;
    if (transaction.size > recipientsLimit) return replies.tooManyRecipients;
    // A copy in any case: the address may be a small part of what the client sent.
    const recipient = Buffer.concat([path.address, relayClient ?? Buffer.of()]);
    transaction.recipients.push(recipient);
    transaction.size += recipient.length + recipientOverhead;
    return replies.recipientOk;
  }

  /** DATA: the transaction is used up, whatever becomes of it. */
  async #open(): Promise<Reply> {
    const transaction = this.#transaction;
    if (transaction === undefined) return replies.wantMail;
    if (transaction.recipients.length === 0) return replies.wantRecipient;
    this.#transaction = undefined;
    const message = this.#host.open();
    if (message === undefined) return replies.noQueue;
    const protocol = transaction.utf8 ? "UTF8SMTP" : "SMTP";
    const receipt = { ...this.#settings.connection, protocol, helo: this.#helo };
    await message.message(receivedField(receipt, this.#host.now()));
    this.#receiving = { transaction, message: new IncomingMessage(message, this.#settings.sizeLimit) };
    return replies.data;
  }

  /** A piece of the message; returns the number of bytes that belonged to it. */
  async #receive({ transaction, message }: Receiving, input: Buffer): Promise<number> {
    const { taken, end } = await message.take(input);
    if (end === "stray") {
      this.#exitCode = 1;
      await this.#reply(replies.strayLineFeed);
    }
    if (end === "end") {
      this.#receiving = undefined;
      const { sender, recipients } = transaction;
      await this.#reply(await message.submit(sender, recipients, () => this.#host.now()));
    }
    return taken;
  }
}

/** What SIZE= says among the parameters of MAIL; 0 where it does not. */
function sizeIn(parameters: readonly string[]): number {
  const size = parameters.find((parameter) => parameter.startsWith("SIZE="))?.slice(5) ?? "";
  return leadingNumber(bytes(size)) ?? 0;
}

const asBytes = (text: Uint8Array | string): Uint8Array => (typeof text === "string" ? bytes(text) : text);
