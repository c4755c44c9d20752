/** Quoting the box part of an address, as little as RFC 821 and RFC 822 both allow (addresses(5)). */

const quotationMark = 34;
const backslash = 92;
const dot = 46;
const at = 64;

/** Bytes that may stand in a box without quotes: an RFC 822 atom's, and the dot. */
const plain = new Uint8Array(256);
for (let byte = 33; byte < 127; byte++) plain[byte] = 1;
const specials = Buffer.from('"(),:;<>@[\\]');
for (let index = 0; index < specials.length; index++) plain[specials[index] ?? 0] = 0;

/** Whether a box can only be written in quotation marks: empty, unusual bytes, or a dot at an end or doubled. */
export function needsQuotes(box: Uint8Array): boolean {
  let previous = dot;
  for (let index = 0; index < box.length; index++) {
    const byte = box[index] ?? 0;
    if (plain[byte] === 0 || (byte === dot && previous === dot)) return true;
    previous = byte;
  }
  return previous === dot;
}

/** The box, in quotation marks if it needs them. */
export function quote(box: Uint8Array): Buffer {
  if (!needsQuotes(box)) return Buffer.from(box);
  const quoted = Buffer.allocUnsafe(2 * box.length + 2);
  let length = 0;
  quoted[length++] = quotationMark;
  for (const byte of box) {
    if (byte === 13 || byte === 10 || byte === quotationMark || byte === backslash)
      quoted[length++] = backslash;
    quoted[length++] = byte;
  }
  quoted[length++] = quotationMark;
  return quoted.subarray(0, length);
}

/** An envelope address as it is written in a header: what is left of the last @ is quoted; the empty address stays. */
export function quoteAddress(address: Uint8Array): Buffer {
  if (address.length === 0) return Buffer.alloc(0);
  const end = address.lastIndexOf(at);
  if (end < 0) return quote(address);
  return Buffer.concat([quote(address.subarray(0, end)), address.subarray(end)]);
}
