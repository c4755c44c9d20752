/** Lists of addresses in header fields (RFC 822, 6.1; qmail-header(5)). */
import { sign, type Token, tokenize } from "./token822.ts";

/**
 * An address from right to left: its last token comes first. Lists are read, and hosts completed, from that side.
 */
export type ReversedAddress = readonly Token[];

const phraseKinds: ReadonlySet<Token["kind"]> = new Set(["comment", "atom", "quoted", "@", "."]);
const comma = sign(",");

/** The field's name and the colon, which belong to no address. */
const nameTokens = 2;

/** Reads a list from right to left, collecting the rewritten list as it goes. */
class ListReader {
  readonly #tokens: readonly Token[];
  readonly #onAddress: (address: ReversedAddress) => ReversedAddress;
  /** The rewritten field from right to left. */
  readonly #output: Token[] = [];
  #address: Token[] = [];
  #at: number;
  #inGroup = false;
  /** Whether a word here continues the address, rather than beginning the one left of it. */
  #wordFits = true;

  constructor(tokens: readonly Token[], onAddress: (address: ReversedAddress) => ReversedAddress) {
    this.#tokens = tokens;
    this.#onAddress = onAddress;
    this.#at = tokens.length - 1;
  }

  /** The field, rewritten; undefined if this is no list of addresses. */
  read(): Token[] | undefined {
    while (this.#at >= nameTokens) if (!this.#step()) return undefined;
    this.#endAddress();
    for (let index = Math.min(nameTokens, this.#tokens.length) - 1; index >= 0; index--) this.#put(index);
    return this.#output.reverse();
  }

  get #kind(): Token["kind"] | undefined {
    return this.#at < nameTokens ? undefined : this.#tokens[this.#at]?.kind;
  }

  /** Handles the token at hand and those that belong to it. False: a syntax error. */
  #step(): boolean {
    switch (this.#kind) {
      case ";":
        return this.#endOfGroup();
      case ":":
        return this.#beginningOfGroup();
      case ">":
        return this.#bracketed();
      case "atom":
      case "quoted":
      case "literal":
        if (!this.#wordFits) this.#endAddressWithComma();
        this.#wordFits = false;
        this.#toAddress();
        return true;
      case "comment":
        this.#toOutput();
        return true;
      case ",":
        this.#endAddress();
        this.#wordFits = true;
        this.#toOutput();
        return true;
      default:
        this.#wordFits = true;
        this.#toAddress();
        return true;
    }
  }

  #endOfGroup(): boolean {
    this.#endAddressWithComma();
    if (this.#inGroup) return false;
    this.#inGroup = true;
    this.#wordFits = true;
    this.#toOutput();
    return true;
  }

  #beginningOfGroup(): boolean {
    this.#endAddress();
    if (!this.#inGroup) return false;
    this.#inGroup = false;
    while (this.#kind !== undefined && this.#kind !== ",") this.#toOutput();
    if (this.#kind !== undefined) this.#toOutput();
    this.#wordFits = true;
    return true;
  }

  /** An address in angle brackets, and the phrase in front of it. */
  #bracketed(): boolean {
    this.#endAddressWithComma();
    this.#toOutput();
    while (this.#kind !== undefined && this.#kind !== "<") this.#toAddress();
    this.#takeAddress();
    if (this.#kind === undefined) return false;
    this.#toOutput();
    while (this.#kind !== undefined && phraseKinds.has(this.#kind)) this.#toOutput();
    this.#wordFits = false;
    return true;
  }

  #put(index: number): void {
    const token = this.#tokens[index];
    if (token !== undefined) this.#output.push(token);
  }

  #toOutput(): void {
    this.#put(this.#at--);
  }

  #toAddress(): void {
    const token = this.#tokens[this.#at--];
    if (token !== undefined) this.#address.push(token);
  }

  /** Hands the address over, even an empty one: `<>`. */
  #takeAddress(): void {
    for (const token of this.#onAddress(this.#address)) this.#output.push(token);
    this.#address = [];
  }

  #endAddress(): void {
    if (this.#address.length > 0) this.#takeAddress();
  }

  #endAddressWithComma(): void {
    if (this.#address.length === 0) return;
    this.#takeAddress();
    this.#output.push(comma);
  }
}

/**
 * Finds the addresses of a field, from right to left, and puts in place of each what `onAddress` returns. A missing
 * comma between two addresses is added.
 *
 * @param tokens the whole field, name and colon included
 * @returns the rewritten field; undefined where the syntax is wrong, after onAddress got all addresses right of that
 */
export function rewriteAddresses(
  tokens: readonly Token[],
  onAddress: (address: ReversedAddress) => ReversedAddress,
): Token[] | undefined {
  return new ListReader(tokens, onAddress).read();
}

/** What completes addresses, from right to left: `@host`, `.domain`, `.plusdomain`. */
export interface Completions {
  defaultHost: ReversedAddress;
  defaultDomain: ReversedAddress;
  plusDomain: ReversedAddress;
}

/**
 * Gives an address a host and its host a domain, and removes source routes (addresses(5)). Untouched: the empty
 * address and `box@[]`.
 */
export function complete(address: ReversedAddress, completions: Completions): ReversedAddress {
  const [last, beforeLast] = address;
  if (last === undefined) return address;
  if (beforeLast?.kind === "@" && last.kind === "literal" && last.text === "") return address;
  let rest = withoutRoute(address);
  if (rest[0]?.kind === ".") rest = rest.slice(1);
  if (rest[0]?.kind === "@") rest = rest.slice(1);
  if (rest.length === 0) return rest;
  if (firstOf(rest, "@") < 0) rest = [...completions.defaultHost, ...rest];
  return withDomain(withPlusDomain(rest, completions.plusDomain), completions.defaultDomain);
}

/** Where the first token of a kind is; -1: nowhere. */
function firstOf(tokens: readonly Token[], kind: Token["kind"]): number {
  for (let index = 0; index < tokens.length; index++) if (tokens[index]?.kind === kind) return index;
  return -1;
}

/** `@relay:joe@host` without what is left of the colon. */
function withoutRoute(address: ReversedAddress): ReversedAddress {
  if (address[address.length - 1]?.kind !== "@") return address;
  return address.slice(
    0,
    Math.max(
      0,
      address.findLastIndex(({ kind }) => kind === ":"),
    ),
  );
}

/** `host+` with the plus domain in place of the sign. */
function withPlusDomain(address: ReversedAddress, plusDomain: ReversedAddress): ReversedAddress {
  const [last, ...rest] = address;
  if (last?.kind !== "atom" || !last.text.endsWith("+")) return address;
  return [...plusDomain, { kind: "atom", text: last.text.slice(0, -1) }, ...rest];
}

/** A host without dots gets the default domain; an address in brackets is no name. */
function withDomain(address: ReversedAddress, defaultDomain: ReversedAddress): ReversedAddress {
  const end = firstOf(address, "@");
  const host = end < 0 ? address : address.slice(0, end);
  if (firstOf(host, ".") >= 0 || firstOf(host, "literal") >= 0) return address;
  return [...defaultDomain, ...address];
}

/** The address that a text is, from right to left; undefined where it has no tokens (token822). */
export function reversedAddress(text: string): ReversedAddress | undefined {
  return tokenize(text)?.reverse();
}

/** The address in the order in which it is written. */
export function inOrder(address: ReversedAddress): Token[] {
  return address.toReversed();
}
