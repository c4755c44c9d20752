/** Header fields: which one it is, where its contents begin, and where the header ends (qmail-header(5)). */

/** Fields that some program treats in its own way, in small letters. */
export const fieldNames = [
  "sender",
  "from",
  "reply-to",
  "to",
  "cc",
  "bcc",
  "date",
  "message-id",
  "subject",
  "resent-sender",
  "resent-from",
  "resent-reply-to",
  "resent-to",
  "resent-cc",
  "resent-bcc",
  "resent-date",
  "resent-message-id",
  "return-receipt-to",
  "errors-to",
  "apparently-to",
  "received",
  "return-path",
  "delivered-to",
  "content-length",
  "content-type",
  "content-transfer-encoding",
  "notice-requested-upon-delivery-to",
  "mail-followup-to",
] as const;

/** One of the fields above. */
export type FieldName = (typeof fieldNames)[number];

const known: ReadonlySet<string> = new Set(fieldNames);
const isKnown = (name: string): name is FieldName => known.has(name);
const longestName = "notice-requested-upon-delivery-to".length;

const lineFeed = 10;
const colon = 58;
const isBlank = (byte: number | undefined): boolean => byte === 32 || byte === 9;

/** Length of the name before the colon, blanks at its end left out; -1 without a colon. */
function nameLength(field: Buffer): number {
  let end = field.indexOf(colon);
  while (end > 0 && isBlank(field[end - 1])) end--;
  return end;
}

/** The name of a field if it is a known one; letters count without their case. */
export function knownField(field: Buffer): FieldName | undefined {
  const length = nameLength(field);
  if (length <= 0 || length > longestName) return undefined;
  const name = field.toString("latin1", 0, length).toLowerCase();
  return isKnown(name) ? name : undefined;
}

/** Whether a line begins with a field name and a colon: printable ASCII without spaces, blanks allowed before the colon. */
export function isField(line: Buffer): boolean {
  const length = nameLength(line);
  if (length <= 0) return false;
  for (let index = 0; index < length; index++) {
    const byte = line[index] ?? 0;
    if (byte <= 32 || byte >= 127) return false;
  }
  return true;
}

/** Where the contents of a field begin: behind the colon and the blanks and line ends that follow. */
export function contentsStart(field: Buffer): number {
  const found = field.indexOf(colon);
  let start = found < 0 ? field.length : found + 1;
  while (start < field.length && (isBlank(field[start]) || field[start] === 10 || field[start] === 13))
    start++;
  return start;
}

const blankLine = Buffer.from("\n");
const mboxPrefix = Buffer.from("From ");
const mboxField = Buffer.from("MBOX-Line: ");

/** A line with a line feed at its end. */
function terminated(line: Buffer): Buffer {
  return line[line.length - 1] === lineFeed ? line : Buffer.concat([line, blankLine]);
}

/**
 * Takes the lines of a message, each with its line feed (the last may lack it), and hands over every field of the
 * header, folded lines included, each ending in a line feed. An mbox From_ line comes as a field MBOX-Line.
 */
export class HeaderReader {
  readonly #onField: (field: Buffer) => void;
  #parts: Buffer[] = [];

  constructor(onField: (field: Buffer) => void) {
    this.#onField = onField;
  }

  /**
   * The next line, or undefined at the end of the message. Returns undefined while the header goes on, then what was
   * read of the body: nothing if the message ends with its header, the blank line, or, where the header ends without
   * one, a blank line and the line that is no field.
   */
  take(read: Buffer | undefined): Buffer | undefined {
    if (read === undefined) {
      this.#endField();
      return Buffer.alloc(0);
    }
    const line = terminated(read);
    if (this.#parts.length > 0 && isBlank(line[0])) {
      this.#parts.push(line);
      return undefined;
    }
    this.#endField();
    if (line.length === 1) return blankLine;
    if (line.subarray(0, mboxPrefix.length).equals(mboxPrefix)) this.#parts = [mboxField, line];
    else if (isField(line)) this.#parts = [line];
    else return Buffer.concat([blankLine, line]);
    return undefined;
  }

  #endField(): void {
    if (this.#parts.length > 0) this.#onField(Buffer.concat(this.#parts));
    this.#parts = [];
  }
}

/**
 * Reads the header of a message line by line (HeaderReader).
 *
 * @param nextLine the next line with its line feed (the last may lack it), undefined at the end
 * @returns what was read of the body, which goes on with the next line
 */
export function readHeader(nextLine: () => Buffer | undefined, onField: (field: Buffer) => void): Buffer {
  const reader = new HeaderReader(onField);
  for (;;) {
    const body = reader.take(nextLine());
    if (body !== undefined) return body;
  }
}
