/** Searching and cutting byte strings. ASCII only, where letters matter: mail has no locale. */

/** Characters of a string as bytes, one each (latin1). */
export const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** Without spaces, tabs and line feeds at the end. */
export function trimEnd(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0) {
    const byte = line[end - 1];
    if (byte !== 32 && byte !== 9 && byte !== 10) break;
    end--;
  }
  return line.subarray(0, end);
}

/** A copy with A to Z made small. */
export function lowerCase(text: Uint8Array): Buffer {
  const copy = Buffer.from(text);
  for (let index = 0; index < copy.length; index++) {
    const byte = copy[index] ?? 0;
    if (byte >= 65 && byte <= 90) copy[index] = byte + 32;
  }
  return copy;
}

/** Equal, but for the case of letters. */
export function equalFold(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && lowerCase(left).equals(lowerCase(right));
}

/** The number that the leading digits make; undefined without any. Saturates at 2^53-1. */
export function leadingNumber(text: Uint8Array): number | undefined {
  let value = 0;
  let index = 0;
  for (; index < text.length; index++) {
    const digit = (text[index] ?? 0) - 48;
    if (digit < 0 || digit > 9) break;
    value = Math.min(value * 10 + digit, Number.MAX_SAFE_INTEGER);
  }
  return index === 0 ? undefined : value;
}

/** The parts between separator bytes; a trailing separator does not start another part. */
export function splitAt(text: Buffer, separator: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf(separator, start);
    const end = found < 0 ? text.length : found;
    parts.push(text.subarray(start, end));
    start = end + 1;
  }
  return parts;
}
