/** Internet addresses: 4 bytes are IPv4, 16 are IPv6. */

/** An address in network byte order. */
export type IpAddress = Uint8Array;

/** What a text begins with, and how many characters that took. */
export interface Scanned {
  address: IpAddress;
  length: number;
}

const dotted = /^(\d+)\.(\d+)\.(\d+)\.(\d+)/;

/** The IPv4 address at the beginning of a text. As it always was in qmail, each number counts modulo 256. */
export function scanIpv4(text: string): Scanned | undefined {
  const found = dotted.exec(text);
  if (found === null) return undefined;
  const address = Uint8Array.from(found.slice(1), (digits) => Number(BigInt(digits) & 255n));
  return { address, length: found[0].length };
}

/** The address a whole text stands for: `1.2.3.4` or `2001:db8::1`. */
export function parseIp(text: string): IpAddress | undefined {
  const scanned = scanIpv4(text);
  if (scanned !== undefined) return scanned.length === text.length ? scanned.address : undefined;
  return parseIpv6(text);
}

/** An address in brackets (RFC 5321 section 4.1.3), the tag before an IPv6 address not required: `[::1]`, `[1.2.3.4]`. */
export function parseLiteral(text: string): IpAddress | undefined {
  if (!text.startsWith("[") || !text.endsWith("]")) return undefined;
  return parseIp(text.slice(1, -1).replace(/^ipv6:/i, ""));
}

/** RFC 4291 section 2.2, in all three forms. */
export function parseIpv6(text: string): IpAddress | undefined {
  const [before = "", after, tooMany] = plainHexadecimal(text).split("::");
  if (tooMany !== undefined) return undefined;
  const left = groups(before);
  const right = after === undefined ? [] : groups(after);
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  if (after === undefined ? missing !== 0 : missing < 1) return undefined;
  const all = [...left, ...new Array<number>(missing).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** With an IPv4 address at the end written as two groups. */
function plainHexadecimal(text: string): string {
  return text.replace(/(?<=:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/, (whole, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    if (Math.max(a, b, c, d) > 255) return whole;
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
}

function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  return parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))
    ? parts.map((part) => Number.parseInt(part, 16))
    : undefined;
}

/** The usual text: decimal numbers and dots, or RFC 5952's. */
export function formatIp(address: IpAddress): string {
  if (address.length === 4) return address.join(".");
  const parts: number[] = [];
  for (let index = 0; index < 16; index += 2)
    parts.push(((address[index] ?? 0) << 8) | (address[index + 1] ?? 0));
  return shorten(parts);
}

/** Replaces the first of the longest runs of zeros. */
function shorten(parts: readonly number[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < parts.length; start++) {
    let length = 0;
    while (parts[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (some: readonly number[]) => some.map((part) => part.toString(16)).join(":");
  if (best.length < 2) return text(parts);
  return `${text(parts.slice(0, best.start))}::${text(parts.slice(best.start + best.length))}`;
}

/** Whether two addresses are the same. */
export function sameIp(left: IpAddress, right: IpAddress): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
