/**
 * What qmail-inject makes of a message's header: addresses completed, missing fields added, recipients collected
 * (qmail-header(5)). Texts are byte strings: one character a byte.
 */
import { type Completions, complete, inOrder, type ReversedAddress, rewriteAddresses } from "./addresses.ts";
import { type FieldName, knownField } from "./header.ts";
import { type Author, dateField, fromField, messageIdField, returnPathField } from "./newfields.ts";
import { quoteAddress } from "./quote.ts";
import { ignoredBy, lenient, type Role, removed, resentFields, roles } from "./roles.ts";
import { type Token, tokenize, unparse, unquote } from "./token822.ts";

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
  /** The process number, or what else tells messages of one second apart: letters, digits and dots. */
  process: number | string;
}

/** A line that is no list of addresses, though its field has to be one. */
export class Unparsable extends Error {
  readonly line: string;
  constructor(line: string) {
    super(`unable to parse ${line}`);
    this.line = line;
  }
}

/** Behind the sender where every recipient gets an own one (VERP, addresses(5)). */
const perRecipient = "-@[]";

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
    const all: string[] = [];
    for (const address of this.#arguments) all.push(untilNul(address));
    if (withHeader) for (const address of fromHeader) all.push(untilNul(address));
    return all;
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
    return this.#anyOf(...resentFields);
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
    for (const name of names) if (this.#seen.has(name)) return true;
    return false;
  }

  #date(): string {
    return dateField(this.#settings.time);
  }

  #messageId(): string {
    const { time, process, idHost } = this.#settings;
    return messageIdField(time, process, idHost);
  }

  #from(): string {
    const { author, letters } = this.#settings;
    return this.#ownField(fromField(author, letters.has("c")), "sender");
  }

  /** Sets the envelope sender to who injects. */
  #defaultReturnPath(): void {
    const { author, letters, time, process } = this.#settings;
    const perMessage = letters.has("m") ? `-${time}.${process}` : "";
    this.#ownField(returnPathField(author, perMessage + (letters.has("r") ? "-" : "")), "return-path");
  }

  /** A field of our own goes the way of the message's, since the environment's words may contain anything. */
  #ownField(tokens: Token[], role: Role): string {
    const line = unparse(tokens);
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
