/** The addresses of MAIL and RCPT, read as leniently as qmail always has (RFC 821, 3.1 and 4.1.2; addresses(5)). */

/** An address and what follows it. */
export interface Path {
  /** Without brackets, source route, quotes and backslashes. */
  address: Buffer;
  /** Behind the address: the parameters of RFC 5321, 4.1.1.11. */
  rest: Buffer;
}

const space = 32;
const quotes = 34;
const colon = 58;
const less = 60;
const greater = 62;
const at = 64;
const backslash = 92;
const bracketEnd = 93;

/** Reads `FROM:<user@host> SIZE=1`, `TO:<@route:user@host>`, `FROM: user@host`: without brackets up to a space. */
export function parsePath(argument: Buffer): Path {
  const bracket = argument.indexOf(less);
  const start = bracket < 0 ? afterColon(argument) : bracket + 1;
  return unquote(argument.subarray(routeEnd(argument, start)), bracket < 0 ? space : greater);
}

function afterColon(argument: Buffer): number {
  const found = argument.indexOf(colon);
  if (found < 0) return argument.length;
  let start = found + 1;
  while (argument[start] === space) start++;
  return start;
}

/** Behind the source route `@host,@host:`, if there is one. */
function routeEnd(argument: Buffer, start: number): number {
  if (argument[start] !== at) return start;
  const end = argument.indexOf(colon, start);
  return end < 0 ? argument.length : end + 1;
}

/** Copies up to `terminator` outside quotes, and takes quotes and backslashes away. */
function unquote(text: Buffer, terminator: number): Path {
  const address = Buffer.alloc(text.length);
  let length = 0;
  let quoted = false;
  let index = 0;
  for (; index < text.length; index++) {
    const byte = text[index];
    if (byte === terminator && !quoted) break;
    if (byte === quotes) quoted = !quoted;
    else if (byte !== backslash) address[length++] = byte ?? 0;
    else if (++index < text.length) address[length++] = text[index] ?? 0;
  }
  return { address: address.subarray(0, length), rest: text.subarray(index + 1) };
}

/** Where the host of an address begins, and which IP address that host is if it is a literal. */
export interface Literal {
  at: number;
  /** `192.0.2.1`, `2001:db8::1`: the usual way to write it. */
  ip: string;
}

/** `user@[192.0.2.1]` or `user@[IPv6:2001:db8::1]` (RFC 5321, 4.1.3); undefined for any other host. */
export function addressLiteral(address: Buffer): Literal | undefined {
  if (address.at(-1) !== bracketEnd) return undefined;
  const separator = address.lastIndexOf(at);
  const host = address.toString("latin1", separator + 1);
  if (separator < 0 || !host.startsWith("[")) return undefined;
  const literal = host.slice(1, -1);
  const ip = /^IPv6:/i.test(literal) ? ipv6(literal.slice(5)) : ipv4(literal);
  return ip === undefined ? undefined : { at: separator + 1, ip };
}

/** Four numbers, of which the lowest eight bits count. */
function ipv4(text: string): string | undefined {
  if (!/^\d+(?:\.\d+){3}$/.test(text)) return undefined;
  return text
    .split(".")
    .map((part) => Number(BigInt(part) & 255n))
    .join(".");
}

function ipv6(text: string): string | undefined {
  const url = `http://[${text}]/`;
  return /^[0-9A-Fa-f:.]+$/.test(text) && URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : undefined;
}
