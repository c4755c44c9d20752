/**
 * Addresses in header fields: `import { parseAddresses } from "qmail-ts/address"`. They are read as qmail reads them
 * (qmail-header(5), addresses(5)): by the words and signs of RFC 822, from right to left.
 */
import {
  type Completions,
  complete,
  inOrder,
  type ReversedAddress,
  reversedAddress,
  rewriteAddresses,
} from "../core/mail/addresses.ts";
import { quoteAddress as quoteBytes } from "../core/mail/quote.ts";
import { sign, type Token, tokenize, unparse, unquote } from "../core/mail/token822.ts";

/** One address of a list. */
export interface Mailbox {
  /** `joe b@example.org`, as in an envelope: no quotes, no comments, no source route. Empty for `<>`. */
  address: string;
  /** The words before `<`, or else the comments behind the address; empty where there are none. RFC 2047 is not decoded. */
  name: string;
  /** The group that it stands in: `friends` of `friends: joe, ann;`. */
  group?: string;
}

/** What completes addresses, as the control files of these names do for qmail-inject. Missing ones complete nothing. */
export interface Hosts {
  /** For an address without a host. */
  defaultHost?: string | undefined;
  /** For a host without a dot. */
  defaultDomain?: string | undefined;
  /** In place of the `+` at the end of a host. */
  plusDomain?: string | undefined;
}

/** A text that is no list of addresses. */
export class AddressError extends Error {
  override readonly name = "AddressError";
}

/** Characters are bytes inside; outside they are Unicode. */
const inner = (text: string): string => Buffer.from(text).toString("latin1");
const outer = (text: string): string => Buffer.from(text, "latin1").toString();

/**
 * The addresses in a text, such as the contents of To: `Joe <joe@example.org>, ann@example.org (Ann), x: a@b, c@d;`.
 * A missing comma between two addresses counts as one.
 *
 * @throws AddressError where something is not closed, or stands where it can not
 */
export function parseAddresses(text: string, hosts: Hosts = {}): Mailbox[] {
  const completions = completionsOf(hosts);
  const field = tokenize(inner(text));
  // Each address becomes one token, by which it is found again among the words and signs around it.
  const found = new Map<Token, string>();
  const mark = (address: ReversedAddress): ReversedAddress => {
    const token: Token = { kind: "atom", text: "" };
    found.set(token, unquote(inOrder(completed(address, completions))));
    return [token];
  };
  const list = field && rewriteAddresses([{ kind: "atom", text: "To" }, sign(":"), ...field], mark);
  if (list === undefined) throw new AddressError(`not a list of addresses: ${text}`);
  return mailboxesIn(list.slice(2), found);
}

/** Reads the rewritten list: words, marks, commas, groups. */
function mailboxesIn(tokens: readonly Token[], found: ReadonlyMap<Token, string>): Mailbox[] {
  const mailboxes: Mailbox[] = [];
  let part: Token[] = [];
  let group: string | undefined;
  const end = (): void => {
    for (const token of part) {
      const address = found.get(token);
      if (address === undefined) continue;
      const name = outer(nameIn(part.filter((other) => !found.has(other))));
      mailboxes.push({ address: outer(address), name, ...(group === undefined ? {} : { group }) });
    }
    part = [];
  };
  for (const token of tokens) {
    if (token.kind === "," || token.kind === ";") end();
    if (token.kind === ";") group = undefined;
    else if (token.kind === ":") {
      group = outer(words(part.filter(({ kind }) => kind !== "comment")));
      part = [];
    } else if (token.kind !== ",") part.push(token);
  }
  end();
  return mailboxes;
}

/** The phrase before an address, or else the comments. */
function nameIn(tokens: readonly Token[]): string {
  const inside = tokens.filter(({ kind }) => kind !== "<" && kind !== ">");
  const phrase = words(inside.filter(({ kind }) => kind !== "comment"));
  return phrase === "" ? words(inside.filter(({ kind }) => kind === "comment")) : phrase;
}

/** Words with blanks between them; a dot stands close to the word before it. */
function words(tokens: readonly Token[]): string {
  return tokens.reduce((text, token) => {
    const close = text === "" || token.kind === "." || token.kind === "@";
    return text + (close ? "" : " ") + token.text;
  }, "");
}

/** Completions, and which of them were given. */
interface Given extends Completions {
  hasHost: boolean;
  hasPlus: boolean;
}

function completionsOf({ defaultHost, defaultDomain, plusDomain }: Hosts): Given {
  const reversed = (start: string, host: string | undefined): ReversedAddress => {
    const tokens = host === undefined ? [] : reversedAddress(inner(start + host));
    if (tokens === undefined) throw new AddressError(`not a host: ${host}`);
    return tokens;
  };
  return {
    defaultHost: reversed("@", defaultHost),
    defaultDomain: reversed(".", defaultDomain),
    plusDomain: reversed(".", plusDomain),
    hasHost: defaultHost !== undefined,
    hasPlus: plusDomain !== undefined,
  };
}

/** Completes an address as far as we were told how: neither a host nor what stands for `+` is made of nothing. */
function completed(address: ReversedAddress, given: Given): ReversedAddress {
  const [last] = address;
  if (!given.hasHost && !address.some(({ kind }) => kind === "@")) return address;
  if (!given.hasPlus && last?.kind === "atom" && last.text.endsWith("+")) return address;
  return complete(address, given);
}

/**
 * An address, and perhaps a name, as they stand in a header field: `"Joe Q." <joe@example.org>`. What needs quotation
 * marks gets them.
 *
 * @throws AddressError for a line end or a NUL, which would change the header around it
 */
export function formatAddress({ address, name = "" }: { address: string; name?: string }): string {
  const quoted = quoteAddress(address);
  return name === "" ? quoted : `${formatPhrase(name)} <${quoted}>`;
}

/** A name of atoms as it is, any other in quotation marks. */
function formatPhrase(name: string): string {
  const text = inner(checked("name", name));
  const isPlain = tokenize(text)?.every(({ kind }) => kind === "atom") === true && !text.includes("\\");
  return isPlain ? name : outer(unparse([{ kind: "quoted", text }])).trimEnd();
}

/**
 * A whole field with its line feed, folded behind commas where a line would be too long: `To: a@b, c@d\n`.
 *
 * @throws AddressError as formatAddress does, and where `field` is no name of a field
 */
export function formatField(field: string, mailboxes: Iterable<{ address: string; name?: string }>): string {
  if (!/^[!-9;-~]+$/.test(field)) throw new AddressError(`not the name of a field: ${JSON.stringify(field)}`);
  const list = Array.from(mailboxes, formatAddress).join(", ");
  const tokens = tokenize(inner(list));
  if (tokens === undefined) throw new AddressError(`not a list of addresses: ${list}`);
  return outer(unparse([{ kind: "atom", text: field }, sign(":"), ...tokens]));
}

/**
 * An envelope address as it is written in a header: `joe b@example.org` becomes `"joe b"@example.org`.
 *
 * @throws AddressError as formatAddress does
 */
export function quoteAddress(address: string): string {
  return quoteBytes(Buffer.from(checked("address", address))).toString();
}

function checked(what: string, text: string): string {
  if (/[\r\n\0]/.test(text))
    throw new AddressError(`the ${what} has a line end or a NUL: ${JSON.stringify(text)}`);
  return text;
}
