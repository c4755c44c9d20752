/**
 * A message on its way to SMTP's DATA (RFC 5321 section 4.5.2): lines end in CRLF, a dot that begins a line is doubled.
 * A CR inside a line becomes a line end, too, as no server may be sent a bare one.
 */

const carriageReturn = 13;
const lineFeed = 10;
const dot = 46;

/** Where the encoder stands: at the beginning of a line, within one, behind a CR. */
type Place = "start" | "within" | "cr";

/** Encodes a message piece by piece in constant memory. */
export class BodyEncoder {
  #place: Place = "start";

  /** The next piece, encoded: a copy, for good. */
  push(piece: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(2 * piece.length + 2);
    let length = 0;
    let place = this.#place;
    for (let index = 0; index < piece.length; index++) {
      const byte = piece[index] ?? 0;
      if (place === "cr" && byte !== lineFeed) {
        // The byte behind a CR is always sent as it is, even if it is a CR or a dot.
        out[length++] = carriageReturn;
        out[length++] = lineFeed;
        out[length++] = byte;
        place = "within";
      } else if (byte === lineFeed) {
        out[length++] = carriageReturn;
        out[length++] = lineFeed;
        place = "start";
      } else if (byte === carriageReturn) {
        place = "cr";
      } else {
        if (byte === dot && place === "start") out[length++] = dot;
        out[length++] = byte;
        place = "within";
      }
    }
    this.#place = place;
    return out.subarray(0, length);
  }

  /** What ends the message, with the final dot; undefined if its last line has no end. */
  end(): Buffer | undefined {
    if (this.#place === "within") return undefined;
    return Buffer.from(this.#place === "cr" ? "\r\n.\r\n" : ".\r\n");
  }
}
