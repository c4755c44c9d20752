/** What qmail-local knows of a delivery, and what it tells: header lines and environment variables (qmail-command(8)). */
import { bytes } from "../bytes/text.ts";
import { quoteAddress } from "../mail/quote.ts";
import { fromLine } from "../maildir/from.ts";
import { environment } from "../sys/arguments.ts";

/** One delivery: the arguments of qmail-local(8) in their order. */
export interface Recipient {
  user: Buffer;
  home: Buffer;
  local: Buffer;
  dash: Buffer;
  extension: Buffer;
  host: Buffer;
  sender: Buffer;
  /** Instructions where there is no .qmail file or it is empty. */
  defaultDelivery: Buffer;
}

/** The lines that a delivery puts in front of the message, each with its line feed. */
export interface HeaderLines {
  /** The From_ line of an mbox. */
  from: Buffer;
  returnPath: Buffer;
  deliveredTo: Buffer;
}

/** Variables, name to value. */
export type Environment = Record<string, Buffer | string | undefined>;

const [lineFeed, dash, dot, underscore] = [10, 45, 46, 95];

/** The lines for a delivery that begins at `unixSeconds`. */
export function headerLines(recipient: Recipient, unixSeconds: number): HeaderLines {
  return { from: fromLine(recipient.sender, unixSeconds), ...maildirLines(recipient) };
}

/** Those that go into a Maildir. */
export function maildirLines({
  local,
  host,
  sender,
}: Pick<Recipient, "local" | "host" | "sender">): Omit<HeaderLines, "from"> {
  const recipient = Buffer.concat([local, bytes("@"), host]);
  return {
    returnPath: Buffer.concat([bytes("Return-Path: <"), oneLine(quoteAddress(sender)), bytes(">\n")]),
    deliveredTo: Buffer.concat([bytes("Delivered-To: "), oneLine(recipient), bytes("\n")]),
  };
}

/** A copy with underscores for line feeds. */
const oneLine = (text: Buffer): Buffer =>
  text.includes(lineFeed) ? (text.map((byte) => (byte === lineFeed ? underscore : byte)) as Buffer) : text;

/** The variables for the programs of a delivery; what was inherited besides stays as it was. */
export function deliveryEnvironment(
  recipient: Recipient,
  lines: HeaderLines,
  newSender: Buffer,
  matched: Buffer | undefined,
): Environment {
  const { user, home, local, extension, host, sender } = recipient;
  const [EXT2, EXT3, EXT4] = thrice(extension, behindFirstDash);
  const [HOST2, HOST3, HOST4] = thrice(host, beforeLastDot);
  return {
    ...inherited(),
    HOST: host,
    HOME: home,
    USER: user,
    LOCAL: local,
    RECIPIENT: Buffer.concat([local, bytes("@"), host]),
    DTLINE: lines.deliveredTo,
    SENDER: sender,
    RPLINE: lines.returnPath,
    UFLINE: lines.from,
    EXT: extension,
    EXT2,
    EXT3,
    EXT4,
    HOST2,
    HOST3,
    HOST4,
    NEWSENDER: newSender,
    ...(matched === undefined ? {} : { DEFAULT: matched }),
  };
}

/** Our own environment, as bytes where it is not UTF-8. */
function inherited(): Environment {
  const variables: Environment = { ...process.env };
  for (const [name, value] of Object.entries(process.env))
    if (value?.includes("\ufffd")) variables[name] = environment(name);
  return variables;
}

function thrice(text: Buffer, cut: (text: Buffer) => Buffer): [Buffer, Buffer, Buffer] {
  const once = cut(text);
  const twice = cut(once);
  return [once, twice, cut(twice)];
}

/** `b-c` of `a-b-c`; nothing where there is no dash. */
function behindFirstDash(text: Buffer): Buffer {
  const found = text.indexOf(dash);
  return found < 0 ? Buffer.alloc(0) : text.subarray(found + 1);
}

/** `a.b` of `a.b.c`; all of it where there is no dot. */
function beforeLastDot(text: Buffer): Buffer {
  const found = text.lastIndexOf(dot);
  return found < 0 ? text : text.subarray(0, found);
}
