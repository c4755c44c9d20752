/**
 * The words and signs of structured header fields (RFC 822, 3.3): a field is cut into tokens, tokens are written as a
 * field. Texts are byte strings: one character a byte.
 */

/** Kinds of tokens that carry a text. */
export type WordKind = "atom" | "quoted" | "literal" | "comment";
/** A sign by itself. */
export type Sign = "<" | ">" | "@" | "," | ";" | ":" | ".";

/** One token. `text` is without quotes, brackets, parentheses and backslashes; a sign's text is the sign. */
export interface Token {
  readonly kind: WordKind | Sign;
  readonly text: string;
}

/** What encloses the text of a word. */
const enclosures: Readonly<Record<WordKind, readonly [string, string]>> = {
  atom: ["", ""],
  quoted: ['"', '"'],
  literal: ["[", "]"],
  comment: ["(", ")"],
};

const isWord = (kind: WordKind | Sign): kind is WordKind => kind.length > 1;

const signs: ReadonlyMap<string, Token> = new Map([
  ["<", sign("<")],
  [">", sign(">")],
  ["@", sign("@")],
  [",", sign(",")],
  [";", sign(";")],
  [":", sign(":")],
  [".", sign(".")],
]);

/** The token of a sign. */
export function sign(kind: Sign): Token {
  return { kind, text: kind };
}

const isSpace = (character: string): boolean =>
  character === " " || character === "\t" || character === "\r" || character === "\n";
/** A set of bytes: 1 at each of them. */
function setOf(characters: string): Uint8Array {
  const set = new Uint8Array(256);
  for (let index = 0; index < characters.length; index++) set[characters.charCodeAt(index)] = 1;
  return set;
}

/** Where the first byte of a set is, from an offset on; the text's length: nowhere. */
function firstIn(set: Uint8Array, text: string, from: number): number {
  let index = from;
  while (index < text.length && set[text.charCodeAt(index)] !== 1) index++;
  return index;
}

/** An atom goes on over everything but these; a backslash takes the next byte in, whatever it is. */
const atomEnds = setOf(' \t\r\n([<>;:@,."\\');
/** Bytes that an atom may have taken in, but that can only be written in quotes. */
const quotedOnly = setOf(")]\\").fill(1, 0, 32).fill(1, 127);
/** Bytes that are written behind a backslash. */
const escaped = setOf('"[]()\\\r\n');

/** Where a word ends and what it says; undefined where it does not end. */
type Scan = { end: number; text: string } | undefined;

/** A quoted string or a domain literal, up to its closing sign. */
function scanEnclosed(field: string, start: number, close: string): Scan {
  const pieces: string[] = [];
  let from = start;
  for (let index = start; index < field.length; index++) {
    const character = field[index];
    if (character === close) return { end: index + 1, text: pieces.join("") + field.slice(from, index) };
    if (character !== "\\") continue;
    pieces.push(field.slice(from, index));
    from = ++index;
  }
  return undefined;
}

/** A comment; those inside it lose their parentheses. */
function scanComment(field: string, start: number): Scan {
  const pieces: string[] = [];
  let depth = 1;
  let from = start;
  for (let index = start; index < field.length; index++) {
    const character = field[index];
    if (character !== "(" && character !== ")" && character !== "\\") continue;
    pieces.push(field.slice(from, index));
    from = index + 1;
    if (character === "\\") from = ++index;
    else depth += character === "(" ? 1 : -1;
    if (depth === 0) return { end: index + 1, text: pieces.join("") };
  }
  return undefined;
}

/** An atom. A backslash at the very end of the field stands for nothing. */
function scanAtom(field: string, start: number): { end: number; text: string } {
  let text = "";
  let end = start;
  for (;;) {
    const runEnd = firstIn(atomEnds, field, end);
    text += field.slice(end, runEnd);
    end = runEnd;
    if (field[end] !== "\\") return { end, text };
    text += field[end + 1] ?? "";
    end = Math.min(end + 2, field.length);
  }
}

/** Cuts a field, its name included, into tokens. Undefined: something is not closed, or closed without being open. */
export function tokenize(field: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let index = 0; index < field.length; ) {
    const character = field[index] ?? "";
    if (isSpace(character)) {
      index++;
      continue;
    }
    const single = signs.get(character);
    if (single !== undefined) {
      tokens.push(single);
      index++;
      continue;
    }
    const word = wordAt(field, index, character);
    if (word === undefined) return undefined;
    tokens.push(word.token);
    index = word.end;
  }
  return tokens;
}

function wordAt(field: string, index: number, first: string): { token: Token; end: number } | undefined {
  if (first === ")" || first === "]") return undefined;
  if (first === "(") return finished("comment", scanComment(field, index + 1));
  if (first === '"') return finished("quoted", scanEnclosed(field, index + 1, '"'));
  if (first === "[") return finished("literal", scanEnclosed(field, index + 1, "]"));
  const scan = scanAtom(field, index);
  return finished(firstIn(quotedOnly, scan.text, 0) < scan.text.length ? "quoted" : "atom", scan);
}

function finished(kind: WordKind, scan: Scan): { token: Token; end: number } | undefined {
  return scan && { token: { kind, text: scan.text }, end: scan.end };
}

/** Whether a blank stands between two tokens. */
function separated(left: Token | undefined, right: Token): boolean {
  if (left === undefined) return false;
  if (left.kind === ":" || left.kind === "," || right.kind === "<") return true;
  return isWord(left.kind) && isWord(right.kind);
}

function written({ kind, text }: Token): string {
  if (!isWord(kind)) return text;
  const [open, close] = enclosures[kind];
  let body = "";
  let from = 0;
  for (let at = firstIn(escaped, text, 0); at < text.length; at = firstIn(escaped, text, at + 1)) {
    body += `${text.slice(from, at)}\\`;
    from = at;
  }
  return open + body + text.slice(from) + close;
}

/** The most bytes of a line before it is folded; a single address may be longer. */
const lineLength = 80;

/** The tokens as a field with its line feed, folded behind commas where a line would be too long. */
export function unparse(tokens: readonly Token[]): string {
  const addresses: string[] = [""];
  let previous: Token | undefined;
  for (const token of tokens) {
    const blank = separated(previous, token) ? " " : "";
    addresses[addresses.length - 1] += blank + written(token);
    if (token.kind === ",") addresses.push("");
    previous = token;
  }
  return fold(addresses);
}

function fold([first = "", ...others]: string[]): string {
  const lines = [first];
  // The room for the line break that a joined address makes unnecessary counts, too.
  const lineBreak = 2;
  for (const address of others) {
    const line = lines[lines.length - 1] ?? "";
    if (line.length + lineBreak + address.length <= lineLength) lines[lines.length - 1] = line + address;
    else lines.push(` ${address}`);
  }
  return `${lines.join("\n")}\n`;
}

/** What the tokens mean: words without quotes, no comments, no blanks; `joe b@host` for `"joe b"@host (Joe)`. */
export function unquote(tokens: readonly Token[]): string {
  let meaning = "";
  for (const { kind, text } of tokens) {
    if (kind === "literal") meaning += `[${text}]`;
    else if (kind !== "comment") meaning += text;
  }
  return meaning;
}
