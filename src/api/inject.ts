/**
 * Messages as people and programs write them, sent: `import { inject } from "qmail-ts/inject"`.
 *
 * The header is completed as qmail-inject(8) does it: hosts and domains of addresses, Date, Message-ID, From; Bcc is
 * removed. Then the message goes into the queue (qmail-ts/queue).
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { trimEnd } from "../core/bytes/text.ts";
import { injectionSettings } from "../core/control/injecting.ts";
import { isSystemError } from "../core/exit.ts";
import { HeaderReader } from "../core/mail/header.ts";
import { Injection, Unparsable } from "../core/mail/injection.ts";
import { qmailHome } from "../core/sys/home.ts";
import { type Bytes, type Cancellation, type Kind, type Message, QmailError } from "./message.ts";
import { bufferOf, piecesOf } from "./pieces.ts";
import { enqueue, type Queued, QueueError, type QueueOptions } from "./queue.ts";

export {
  type Bytes,
  type Cancellation,
  type Kind,
  type Message,
  QmailError,
  type Queued,
  QueueError,
  type QueueOptions,
};

/** How to send a message. */
export interface InjectOptions extends QueueOptions {
  /** Envelope sender, for which bounces are; default: who injects, as the environment says (QMAILUSER, QMAILHOST ...). */
  sender?: Bytes | undefined;
  /** Recipients beside, or in place of, those in the header. */
  recipients?: Iterable<Bytes> | undefined;
  /** Whether To, Cc, Bcc (or their Resent- kin) name recipients; default: only where no `recipients` are given. */
  headerRecipients?: boolean | undefined;
}

/** A message that is in the queue, with the envelope that it got. Addresses are completed, without quotes. */
export interface Injected extends Queued {
  sender: Uint8Array;
  recipients: Uint8Array[];
}

/** A message that can not be sent as it is: a field or an address that nobody understands. */
export class InjectError extends QmailError {
  override readonly name = "InjectError";
}

/** A header with more bytes than this is no header. */
const headerLimit = 16 << 20;

const lineFeed = 10;

/**
 * Sends a message: a header, an empty line, a body; lines end with a line feed alone. The whole header is held in
 * memory, at most 16 MiB of it, the body is not. When the promise is kept, the message survives a power cut.
 *
 * @throws InjectError `permanent` for what can not be understood or has no recipient, `temporary` for a control file
 * that can not be read; QueueError as enqueue does, and what reading the message throws. Nothing was sent then.
 */
export async function inject(message: Message, options: InjectOptions = {}): Promise<Injected> {
  const injection = parsing(() => new Injection(settingsOf(options)));
  const { sender, recipients = [] } = options;
  if (sender !== undefined) parsing(() => injection.setSender(bufferOf(sender)));
  let named = 0;
  for (const address of recipients) {
    parsing(() => injection.addRecipient(bufferOf(address)));
    named++;
  }
  const pieces = piecesOf(message, options.signal);
  try {
    const body = await readHeader(pieces, injection);
    const header = parsing(() => injection.header(false));
    const envelope = {
      sender: Buffer.from(injection.sender, "latin1"),
      recipients: injection
        .recipients(options.headerRecipients ?? named === 0)
        .map((address) => Buffer.from(address, "latin1")),
    };
    if (envelope.recipients.length === 0) throw new InjectError("permanent", "the message has no recipient");
    const { pid } = await enqueue(whole(header, body, pieces), envelope, options);
    return { pid, ...envelope };
  } finally {
    await pieces.return();
  }
}

/** Reads the header. Returns what was read behind it: what the header's end makes of the body, and the rest. */
async function readHeader(pieces: AsyncIterable<Buffer>, injection: Injection): Promise<Buffer[]> {
  const reader = new HeaderReader((field) => parsing(() => injection.field(field)));
  let rest: Buffer = Buffer.alloc(0);
  let length = 0;
  // Not `for await`: what comes behind the header is read later.
  const iterator = pieces[Symbol.asyncIterator]();
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    length += next.value.length;
    if (length > headerLimit + next.value.length)
      throw new InjectError("permanent", `the header is longer than ${headerLimit} bytes`);
    rest = Buffer.concat([rest, next.value]);
    for (let end = rest.indexOf(lineFeed); end >= 0; end = rest.indexOf(lineFeed)) {
      const line = rest.subarray(0, end + 1);
      rest = rest.subarray(end + 1);
      const body = reader.take(line);
      if (body !== undefined) return [body, rest];
    }
  }
  const body = rest.length > 0 ? reader.take(rest) : undefined;
  return [body ?? reader.take(undefined) ?? Buffer.alloc(0)];
}

/** The completed message; its last line gets a line feed if it has none. */
async function* whole(
  header: readonly Buffer[],
  body: readonly Buffer[],
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  yield Buffer.concat([...header, ...body]);
  let last = Buffer.concat(body).at(-1) ?? lineFeed;
  for await (const piece of pieces) {
    yield piece;
    last = piece.at(-1) ?? last;
  }
  if (last !== lineFeed) yield Buffer.of(lineFeed);
}

const instance = randomBytes(4).toString("hex");
let injected = 0;

function settingsOf(options: InjectOptions): ConstructorParameters<typeof Injection>[0] {
  const environment = options.environment ?? process.env;
  const home = options.home ?? qmailHome();
  const variable = (name: string): string | undefined => {
    const value = environment[name];
    return value === undefined ? undefined : Buffer.from(value).toString("latin1");
  };
  // A process may send many messages within a second: its number alone would not tell their Message-IDs apart.
  const own = `${process.pid}.${instance}.${++injected}`;
  const moment = { lists: undefined, time: Math.floor(Date.now() / 1000), process: own };
  return injectionSettings({ variable, line: (name) => controlLine(home, name) }, moment);
}

function controlLine(home: string, name: string): Buffer | undefined {
  const path = `${home}/control/${name}`;
  try {
    const content = readFileSync(path);
    const end = content.indexOf(lineFeed);
    return trimEnd(end < 0 ? content : content.subarray(0, end));
  } catch (cause) {
    if (isSystemError(cause, "ENOENT")) return undefined;
    if (!isSystemError(cause)) throw cause;
    throw new InjectError("temporary", `unable to read ${path}: ${cause.code}`, { cause });
  }
}

function parsing<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof Unparsable)) throw cause;
    const line = Buffer.from(cause.line, "latin1").toString().trimEnd();
    throw new InjectError("permanent", `unable to parse: ${line}`, { cause });
  }
}
