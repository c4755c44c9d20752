/**
 * The server's side of QMTP (qmail-qmtpd(8)): messages in, each with its sender and recipients, and an answer for every
 * recipient. Whatever a stranger sends, the memory it takes is bounded.
 */
import { addressLimit, type Connection, Intake, type IntakeHost } from "./intake.ts";
import { NetstringInput, netstring, SessionEnd, SteppedSession, type Steps, settled } from "./netstring.ts";
import { CrLfDecoder } from "./qmtp-text.ts";

/** What a session needs to know beforehand. */
export interface QmtpSettings {
  connection: Connection;
  /** The client may send anywhere, and this is put behind every recipient. */
  relayClient: Uint8Array | undefined;
  /** The most bytes of a message; 0: no limit. */
  sizeLimit: number;
}

/** The program around the session. */
export interface QmtpHost extends IntakeHost {
  /** Whether mail for this address is taken from anybody. */
  allows(recipient: Buffer): boolean | Promise<boolean>;
}

/** Recipients of one message; who sends more wants too much. */
export const recipientLimit = 100_000;

const badSender = "Dunacceptable sender (#5.1.7)";
const tooBig = "Dsorry, that message size exceeds my databytes limit (#5.3.4)";

/** What becomes of a recipient. For `taken` ones the queue's answer is that of the message. */
const taken = 0;
const denied = 1;
const unusable = 2;
const refusals: Readonly<Record<number, Buffer>> = {
  [denied]: netstring("Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
  [unusable]: netstring("Dsorry, I can't handle that recipient (#5.1.3)"),
};

const lineFeed = 10;
const carriageReturn = 13;
const colon = 58;
const zero = 48;

/** One session. */
export class QmtpServer extends SteppedSession {
  constructor(settings: QmtpSettings, host: QmtpHost) {
    const input = new NetstringInput();
    super(input, session(input, settings, host));
  }
}

function* session(input: NetstringInput, settings: QmtpSettings, host: QmtpHost): Steps {
  for (;;) yield* message(input, settings, host);
}

/** One message and its answers. */
function* message(input: NetstringInput, settings: QmtpSettings, host: QmtpHost): Steps {
  input.begun = false;
  const length = yield* input.length();
  if (length === 0) throw new SessionEnd(100);
  const encoding = yield* input.byte();
  if (encoding !== lineFeed && encoding !== carriageReturn) throw new SessionEnd(100);
  const intake = new Intake(host);
  yield* intake.received(settings.connection, "QMTP");
  const text = encoding === lineFeed ? plainText : crLfText;
  const fits = yield* text(input, length - 1, settings.sizeLimit, intake);
  yield* input.comma();
  const sender = yield* senderOf(input);
  if (sender === undefined) intake.reject();
  else yield* intake.from(sender);
  const fates = yield* recipients(input, settings, host, intake);
  if (!fates.includes(taken)) intake.reject();
  const queued = yield* intake.close();
  yield* answer(host, fates, fits ? (sender === undefined ? badSender : queued) : tooBig);
}

/** Lines that end with LF pass as they are. False: the message is too big. */
function* plainText(input: NetstringInput, length: number, limit: number, intake: Intake): Steps<boolean> {
  const fits = limit === 0 || length <= limit;
  if (!fits) intake.reject();
  for (let rest = length; rest > 0; ) {
    const piece = yield* input.some(rest);
    rest -= piece.length;
    yield* intake.write(piece);
  }
  return fits;
}

/** Lines that end with CR LF get a LF. What counts is the size after that. */
function* crLfText(input: NetstringInput, length: number, limit: number, intake: Intake): Steps<boolean> {
  const decoder = new CrLfDecoder();
  let size = 0;
  for (let rest = length; rest > 0; ) {
    const piece = yield* input.some(rest);
    rest -= piece.length;
    for (const part of decoder.take(piece, rest === 0)) {
      size += part.length;
      if (limit > 0 && size > limit) intake.reject();
      yield* intake.write(part);
    }
  }
  return limit === 0 || size <= limit;
}

/** The sender; undefined: it is too long or has a NUL in it. */
function* senderOf(input: NetstringInput): Steps<Buffer | undefined> {
  const sender = yield* input.text(yield* input.length(), addressLimit);
  yield* input.comma();
  return sender?.includes(0) === true ? undefined : sender;
}

/** The netstring of recipients; returns what became of each, a byte for a recipient. */
function* recipients(
  input: NetstringInput,
  settings: QmtpSettings,
  host: QmtpHost,
  intake: Intake,
): Steps<Uint8Array> {
  const fates: number[] = [];
  const { relayClient } = settings;
  const suffix = relayClient ?? Buffer.alloc(0);
  input.left = yield* input.length();
  while (input.left > 0) {
    if (fates.length === recipientLimit) throw new SessionEnd(111);
    const length = yield* lenientLength(input);
    if (length >= input.left) throw new SessionEnd(100);
    const address = yield* input.text(length, addressLimit - suffix.length);
    const allowed =
      address === undefined || relayClient !== undefined || (yield* settled(host.allows(address)));
    const fate = !allowed ? denied : address === undefined || address.includes(0) ? unusable : taken;
    if (fate === taken && address !== undefined) yield* intake.to(Buffer.concat([address, suffix]));
    fates.push(fate);
    yield* input.comma();
  }
  input.left = Number.POSITIVE_INFINITY;
  yield* input.comma();
  return Uint8Array.from(fates);
}

/**
 * The length of a recipient. The original never looks whether these are digits: what else is there counts by its
 * distance from `0`, and as the list's end limits the length, nothing comes of it.
 */
function* lenientLength(input: NetstringInput): Steps<number> {
  for (let length = 0; ; ) {
    const byte = yield* input.byte();
    if (byte === colon) return length;
    if (length > 200_000_000) throw new SessionEnd(111);
    const signed = byte < 128 ? byte : byte - 256;
    const next = 10 * length + signed - zero;
    length = next < 0 ? Number.MAX_SAFE_INTEGER : next;
  }
}

/** An answer for every recipient, in their order. */
function* answer(host: QmtpHost, fates: Uint8Array, result: string): Steps {
  const words = netstring(result);
  for (const fate of fates) yield* settled(host.reply(refusals[fate] ?? words));
}
