/**
 * What qmail-inject makes of a message's header: addresses completed, missing fields added, recipients collected
 * (qmail-header(5)). Texts are byte strings: one character a byte.
 */
import { type Completions, complete, inOrder, type ReversedAddress, rewriteAddresses } from "./addresses.ts";
import { date822, dateDigits } from "./date.ts";
import { type FieldName, knownField } from "./header.ts";
import { needsQuotes, quoteAddress } from "./quote.ts";
import { sign, type Token, tokenize, unparse, unquote } from "./token822.ts";

/** Who injects, as the environment tells; the host is completed like any other. */
export interface Author {
  user: string;
  host: string | undefined;
  name: string | undefined;
  /** User and host of the envelope sender. */
  senderUser: string;
  senderHost: string | undefined;
}

/** How to treat one message. */
export interface Settings {
  author: Author;
  completions: Completions;
  /** Host of Message-IDs. */
  idHost: string;
  /** Letters of $QMAILINJECT: c s f i r m. */
  letters: ReadonlySet<string>;
  /** Mailing lists in small letters; a message to one of them gets a Mail-Followup-To. */
  lists: ReadonlySet<string> | undefined;
  /** Seconds since 1970. */
  time: number;
  process: number;
}

/** A line that is no list of addresses, though its field has to be one. */
export class Unparsable extends Error {
  readonly line: string;
  constructor(line: string) {
    super(`unable to parse ${line}`);
    this.line = line;
  }
}

/** Why a field's addresses matter. */
type Role = "to" | "hidden" | "resent" | "sender" | "return-path";

const roles: ReadonlyMap<FieldName, Role> = new Map([
  ["to", "to"],
  ["cc", "to"],
  ["bcc", "hidden"],
  ["apparently-to", "hidden"],
  ["resent-to", "resent"],
  ["resent-cc", "resent"],
  ["resent-bcc", "resent"],
  ["return-path", "return-path"],
  ["sender", "sender"],
  ["from", "sender"],
  ["reply-to", "sender"],
  ["return-receipt-to", "sender"],
  ["errors-to", "sender"],
  ["resent-sender", "sender"],
  ["resent-from", "sender"],
  ["resent-reply-to", "sender"],
]);

/** Fields in which anything goes: what is no list of addresses stays as it is. */
const lenient: ReadonlySet<Role> = new Set(["to", "hidden", "resent"]);
/** Fields that do not go out. */
const removed: ReadonlySet<FieldName> = new Set(["bcc", "resent-bcc", "return-path", "content-length"]);
/** A letter of $QMAILINJECT that makes a field be ignored. */
const ignoredBy: ReadonlyMap<FieldName, string> = new Map([
  ["from", "f"],
  ["message-id", "i"],
  ["return-path", "s"],
]);
/** Any of these makes the message a resent one. */
const resentFields: readonly FieldName[] = [
  "resent-sender",
  "resent-from",
  "resent-reply-to",
  "resent-to",
  "resent-cc",
  "resent-bcc",
  "resent-date",
  "resent-message-id",
];

/** Behind the sender where every recipient gets an own one (VERP, addresses(5)). */
const perRecipient = "-@[]";

const word = (kind: "atom" | "quoted" | "comment", text: string): Token => ({ kind, text });

/** What a C string would hold: the bytes before the first NUL. */
export function untilNul(text: string): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function quotedAddress(address: string): string {
  return quoteAddress(Buffer.from(untilNul(address), "latin1")).toString("latin1");
}

function smallLetters(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** One message's header. Give it what the command line says, then every field, then ask for the new header. */
export class Injection {
  readonly #settings: Settings;
  readonly #seen = new Set<FieldName>();
  readonly #kept: Buffer[] = [];
  readonly #arguments: string[] = [];
  readonly #recipients: string[] = [];
  readonly #resentRecipients: string[] = [];
  readonly #visible: string[] = [];
  #sender: string | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** The envelope sender, up to a NUL; known after header(). */
  get sender(): string {
    return untilNul(this.#sender ?? "");
  }

  /** Sets the envelope sender. @throws Unparsable */
  setSender(address: Buffer): void {
    const line = quoteAddress(address).toString("latin1");
    const tokens = tokenize(line);
    if (tokens === undefined) throw new Unparsable(line);
    this.#sender = this.#completed(tokens);
  }

  /** Adds a recipient of the command line. @throws Unparsable */
  addRecipient(address: Buffer): void {
    const tokens = tokenize(quoteAddress(address).toString("latin1"));
    if (tokens === undefined) throw new Unparsable(address.toString("latin1"));
    this.#arguments.push(this.#completed(tokens));
  }

  /** The recipients, each up to a NUL; those of the header only if asked for. */
  recipients(withHeader: boolean): string[] {
    const fromHeader = this.#resent ? this.#resentRecipients : this.#recipients;
    return [...this.#arguments, ...(withHeader ? fromHeader : [])].map(untilNul);
  }

  /** Takes a field of the message in. @throws Unparsable */
  field(field: Buffer): void {
    const name = knownField(field);
    if (name === undefined) {
      this.#kept.push(field);
      return;
    }
    const letter = ignoredBy.get(name);
    if (letter !== undefined && this.#settings.letters.has(letter)) return;
    this.#seen.add(name);
    const role = roles.get(name);
    const rewritten = role === undefined ? field : this.#rewrite(field, role);
    if (!removed.has(name)) this.#kept.push(rewritten);
  }

  /**
   * The new header: fields that were missing, then the message's own.
   *
   * @param withReturnPath begin with the envelope sender
   * @throws Unparsable if the author's names make no address
   */
  header(withReturnPath: boolean): Buffer[] {
    if (this.#sender === undefined) this.#defaultReturnPath();
    const returnPath = withReturnPath ? `Return-Path: <${quotedAddress(this.sender)}>\n` : "";
    const added = this.#resent ? this.#missingResent() : this.#missing() + this.#followup();
    return [Buffer.from(returnPath + added, "latin1"), ...this.#kept];
  }

  get #resent(): boolean {
    return resentFields.some((name) => this.#seen.has(name));
  }

  #completed(tokens: readonly Token[]): string {
    return unquote(inOrder(complete(tokens.toReversed(), this.#settings.completions)));
  }

  #rewrite(field: Buffer, role: Role): Buffer {
    const line = field.toString("latin1");
    const rewritten = this.#rewriteLine(line, role);
    if (rewritten !== undefined) return Buffer.from(rewritten, "latin1");
    if (!lenient.has(role)) throw new Unparsable(line);
    return field;
  }

  #rewriteLine(line: string, role: Role): string | undefined {
    const tokens = tokenize(line);
    const list = tokens && rewriteAddresses(tokens, (address) => this.#take(address, role));
    return list && unparse(list);
  }

  /** Completes an address and enters it where its role wants it. */
  #take(address: ReversedAddress, role: Role): ReversedAddress {
    const completed = complete(address, this.#settings.completions);
    if (role === "sender") return completed;
    const text = unquote(inOrder(completed));
    if (role === "return-path") this.#sender ??= text + (this.#settings.letters.has("r") ? perRecipient : "");
    else if (role === "resent") this.#resentRecipients.push(text);
    else this.#recipients.push(text);
    if (role === "to") this.#visible.push(text);
    return completed;
  }

  /** Fields added to a message that is sent for the first time. */
  #missing(): string {
    return [
      this.#unless("date", () => this.#date()),
      this.#unless("message-id", () => this.#messageId()),
      this.#unless("from", () => this.#from()),
      this.#anyOf("to", "cc") ? "" : "Cc: recipient list not shown: ;\n",
    ].join("");
  }

  /** The same for a forwarded message. */
  #missingResent(): string {
    return [
      this.#unless("resent-date", () => `Resent-${this.#date()}`),
      this.#unless("resent-message-id", () => `Resent-${this.#messageId()}`),
      this.#unless("resent-from", () => `Resent-${this.#from()}`),
      this.#anyOf("resent-to", "resent-cc") ? "" : "Resent-Cc: recipient list not shown: ;\n",
    ].join("");
  }

  #unless(name: FieldName, field: () => string): string {
    return this.#seen.has(name) ? "" : field();
  }

  #anyOf(...names: FieldName[]): boolean {
    return names.some((name) => this.#seen.has(name));
  }

  #date(): string {
    return `Date: ${date822(this.#settings.time)}`;
  }

  #messageId(): string {
    const { time, process, idHost } = this.#settings;
    return `Message-ID: <${dateDigits(time)}.${process}.qmail@${idHost}>\n`;
  }

  /** A From field for who injects: `"Name" <user@host>`, or with letter c `user@host (Name)`. */
  #from(): string {
    const { author, letters } = this.#settings;
    const { user, host, name } = author;
    const kind = needsQuotes(Buffer.from(user, "latin1")) ? "quoted" : "atom";
    const address = [word(kind, user), ...atHost(host)];
    const named = (): Token[] => {
      if (name === undefined) return address;
      if (letters.has("c")) return [...address, word("comment", name)];
      return [word("quoted", name), sign("<"), ...address, sign(">")];
    };
    return this.#ownField("From", named(), "sender");
  }

  /** Sets the envelope sender to who injects. */
  #defaultReturnPath(): void {
    const { author, letters, time, process } = this.#settings;
    const message = letters.has("m") ? `-${time}.${process}` : "";
    const user = `${author.senderUser}${message}${letters.has("r") ? "-" : ""}`;
    this.#ownField("Return-Path", [word("quoted", user), ...atHost(author.senderHost)], "return-path");
  }

  /** A field of our own goes the way of the message's, since the environment's words may contain anything. */
  #ownField(name: string, tokens: Token[], role: Role): string {
    const line = unparse([word("atom", name), sign(":"), ...tokens]);
    const rewritten = this.#rewriteLine(line, role);
    if (rewritten === undefined) throw new Unparsable(line);
    return rewritten;
  }

  /** Mail-Followup-To with everybody, if one of the known lists is among them. */
  #followup(): string {
    const { lists } = this.#settings;
    if (lists === undefined || this.#seen.has("mail-followup-to")) return "";
    if (!this.#visible.some((address) => lists.has(smallLetters(address)))) return "";
    return `Mail-Followup-To: ${this.#visible.map(quotedAddress).reverse().join(",\n  ")}\n`;
  }
}

function atHost(host: string | undefined): Token[] {
  return host === undefined ? [] : [sign("@"), word("atom", host)];
}
