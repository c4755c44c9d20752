/** Lines of a log in pieces that any syslog takes: no longer than 799 characters, all printable. */

/** A piece of a line: its text, and whether it continues the piece before it. */
export interface Piece {
  text: string;
  continued: boolean;
}

const longest = 799;
const lineFeed = 10;

/** Cuts lines into pieces. Bytes outside printable ASCII become question marks, empty lines vanish. */
export class LineFolder {
  #text = "";
  #continued = false;

  /** The next bytes of the log; returns the pieces they complete. */
  push(bytes: Buffer): Piece[] {
    const pieces: Piece[] = [];
    for (let start = 0; start < bytes.length; ) {
      const found = bytes.indexOf(lineFeed, start);
      const end = found < 0 ? bytes.length : found;
      this.#add(bytes.subarray(start, end), pieces);
      if (found >= 0) pieces.push(...this.end());
      start = end + 1;
    }
    return pieces;
  }

  /** What there is of a line, as at its end. */
  end(): Piece[] {
    const pieces = this.#flush();
    this.#continued = false;
    return pieces;
  }

  #add(part: Buffer, pieces: Piece[]): void {
    for (let start = 0; start < part.length; ) {
      if (this.#text.length === longest) pieces.push(...this.#flush());
      const end = Math.min(part.length, start + longest - this.#text.length);
      this.#text += part.toString("latin1", start, end).replace(/[^ -~]/g, "?");
      start = end;
    }
  }

  #flush(): Piece[] {
    if (this.#text === "") return [];
    const piece = { text: this.#text, continued: this.#continued };
    this.#text = "";
    this.#continued = true;
    return [piece];
  }
}
