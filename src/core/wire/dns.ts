/** DNS messages (RFC 1035 section 4): a question out, an answer in. Names are latin1 strings with dots. */

/** Record types that mail asks for. */
export const recordType = { A: 1, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28 } as const;
export type RecordType = keyof typeof recordType;

/** Response codes that have a meaning of their own. */
export const responseCode = { noError: 0, serverFailure: 2, nameError: 3 } as const;

/** A question on its way. */
export interface Question {
  id: number;
  name: string;
  type: RecordType;
}

/** A record of the answer section. */
export interface DnsRecord {
  type: number;
  /** The address of an A or AAAA record, the characters of a TXT record. */
  data: Uint8Array;
  /** The name in an MX, CNAME or PTR record; empty for the root. */
  name: string;
  /** Of an MX record. */
  preference: number;
}

/** What a server answered. */
export interface DnsAnswer {
  code: number;
  /** The answer did not fit: ask again over TCP. */
  truncated: boolean;
  records: DnsRecord[];
}

/** The message is not well-formed. */
export class BadDnsMessage extends Error {}

const headerSize = 12;
const internet = 1;
const longestLabel = 63;
const longestName = 255;
const response = 0x8000;
const truncation = 0x0200;
const recursionDesired = 0x0100;
const pointer = 0xc0;

/** The bytes of a question; undefined if no name in DNS can look like that. */
export function encodeQuestion({ id, name, type }: Question): Buffer | undefined {
  const labels = encodeName(name);
  if (labels === undefined) return undefined;
  const header = Buffer.alloc(headerSize);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(recursionDesired, 2);
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, labels, Buffer.of(0, recordType[type], 0, internet)]);
}

/** One label: plain characters, `\.` and the like, `\123`. */
const label = /^(?:[^.\\]|\\\d{3}|\\[^\d])*/s;

function encodeName(name: string): Buffer | undefined {
  const parts: Buffer[] = [];
  let rest = name.endsWith(".") && !name.endsWith("\\.") ? name.slice(0, -1) : name;
  for (let more = rest !== ""; more; ) {
    const text = label.exec(rest)?.[0] ?? "";
    const bytes = Buffer.from(unescaped(text), "latin1");
    if (bytes.length === 0 || bytes.length > longestLabel) return undefined;
    parts.push(Buffer.of(bytes.length), bytes);
    rest = rest.slice(text.length);
    more = rest.startsWith(".");
    if (more) rest = rest.slice(1);
    else if (rest !== "") return undefined;
  }
  const encoded = Buffer.concat([...parts, Buffer.of(0)]);
  return encoded.length <= longestName ? encoded : undefined;
}

const unescaped = (text: string): string =>
  text.replace(/\\(\d{3}|.)/gs, (_, what: string) =>
    what.length === 3 ? String.fromCharCode(Number(what) & 255) : what,
  );

/**
 * Reads an answer. Undefined: it does not belong to the question (another's id, name or type), so the right one may
 * still come. Throws BadDnsMessage.
 */
export function decodeAnswer(message: Buffer, question: Question): DnsAnswer | undefined {
  const reader = new MessageReader(message);
  const [id, flags, questions, answers] = [reader.short(), reader.short(), reader.short(), reader.short()];
  if (id !== question.id || (flags & response) === 0) return undefined;
  reader.skip(4);
  for (let count = 0; count < questions; count++)
    if (!isAnswerTo(question, reader.name(), reader.short(), reader.short())) return undefined;
  const truncated = (flags & truncation) !== 0;
  const records: DnsRecord[] = [];
  for (let count = 0; count < answers && !truncated; count++) records.push(reader.record());
  return { code: flags & 15, truncated, records };
}

function isAnswerTo(question: Question, name: string, type: number, kind: number): boolean {
  const asked = encodeName(question.name)?.toString("latin1").toLowerCase();
  const answered = encodeName(name)?.toString("latin1").toLowerCase();
  return asked === answered && type === recordType[question.type] && kind === internet;
}

class MessageReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  short(): number {
    this.#need(2);
    this.#position += 2;
    return this.#bytes.readUInt16BE(this.#position - 2);
  }

  skip(length: number): void {
    this.#need(length);
    this.#position += length;
  }

  name(): string {
    const { name, end } = this.#nameAt(this.#position);
    this.#position = end;
    return name;
  }

  record(): DnsRecord {
    this.name();
    const type = this.short();
    this.skip(6);
    const length = this.short();
    this.#need(length);
    const start = this.#position;
    this.#position += length;
    const data = this.#bytes.subarray(start, start + length);
    checkSize(type, length);
    const preference = type === recordType.MX ? data.readUInt16BE(0) : 0;
    return { type, data, preference, name: this.#nameOf(type, start) };
  }

  #nameOf(type: number, start: number): string {
    if (type === recordType.MX) return this.#nameAt(start + 2).name;
    return type === recordType.CNAME || type === recordType.PTR ? this.#nameAt(start).name : "";
  }

  /** A name may end in a pointer to an earlier place; a loop of them is no name. */
  #nameAt(start: number): { name: string; end: number } {
    const labels: string[] = [];
    let end: number | undefined;
    let total = 0;
    for (let at = start; ; ) {
      const length = this.#byteAt(at);
      if ((length & pointer) === pointer) {
        const target = ((length & 63) << 8) | this.#byteAt(at + 1);
        end ??= at + 2;
        if (target >= at) throw new BadDnsMessage("a pointer that does not point back");
        at = target;
        continue;
      }
      if (length > longestLabel) throw new BadDnsMessage("unknown kind of label");
      if (length === 0) return { name: labels.join("."), end: end ?? at + 1 };
      total += length + 1;
      if (at + 1 + length > this.#bytes.length || total > longestName)
        throw new BadDnsMessage("a name without end");
      labels.push(escaped(this.#bytes.toString("latin1", at + 1, at + 1 + length)));
      at += length + 1;
    }
  }

  #byteAt(position: number): number {
    const byte = this.#bytes[position];
    if (byte === undefined) throw new BadDnsMessage("message ends too early");
    return byte;
  }

  #need(length: number): void {
    if (this.#position + length > this.#bytes.length) throw new BadDnsMessage("message ends too early");
  }
}

const leastSize: Readonly<Record<number, number>> = {
  [recordType.A]: 4,
  [recordType.AAAA]: 16,
  [recordType.MX]: 3,
};

function checkSize(type: number, length: number): void {
  if (length < (leastSize[type] ?? 0)) throw new BadDnsMessage("record too short");
}

/** Dots and backslashes inside a label, and what can not be printed, as encodeName understands them. */
const escaped = (text: string): string =>
  text.replace(/[.\\]|[^!-~]/g, (character) =>
    character === "." || character === "\\"
      ? `\\${character}`
      : `\\${String(character.charCodeAt(0)).padStart(3, "0")}`,
  );
