/** The second encoding of QMTP messages: lines end with CR LF (qmail-qmtpd(8)). */

const lineFeed = 10;
const carriageReturn = 13;
const carriage = Buffer.of(carriageReturn);

/** Makes CR LF a LF, in pieces of any size. A CR before anything else stays. */
export class CrLfDecoder {
  /** A CR was at the end of the last piece. */
  #pending = false;

  /** What comes of a piece; `last`: the message ends behind it. Parts of the piece itself, where that will do. */
  take(piece: Buffer, last: boolean): Buffer[] {
    const parts: Buffer[] = [];
    if (this.#pending && piece[0] !== lineFeed && piece.length > 0) parts.push(carriage);
    if (piece.length > 0) this.#pending = false;
    let start = 0;
    for (
      let found = piece.indexOf(carriageReturn);
      found >= 0;
      found = piece.indexOf(carriageReturn, found + 1)
    ) {
      const isLast = found === piece.length - 1;
      if (!isLast && piece[found + 1] !== lineFeed) continue;
      parts.push(piece.subarray(start, found));
      start = found + 1;
      this.#pending = isLast;
    }
    parts.push(piece.subarray(start));
    if (last && this.#pending) parts.push(carriage);
    return parts;
  }
}
