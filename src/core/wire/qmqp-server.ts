/**
 * The server's side of QMQP (qmail-qmqpd(8)): one message, its sender and its recipients in one netstring, and one
 * answer. Recipients pass into the queue as they come.
 */
import { addressLimit, type Connection, Intake, type IntakeHost } from "./intake.ts";
import { NetstringInput, netstring, SteppedSession, type Steps, settled } from "./netstring.ts";

const badAddress = "Dsorry, I can't accept addresses like that (#5.1.3)";

/** The outer length may have this many bytes, with its colon. */
const lengthLimit = 100;

/** One session; over after one message. */
export class QmqpServer extends SteppedSession {
  constructor(connection: Connection, host: IntakeHost) {
    const input = new NetstringInput();
    super(input, session(input, connection, host));
  }
}

function* session(input: NetstringInput, connection: Connection, host: IntakeHost): Steps {
  input.left = lengthLimit;
  input.left = yield* input.length();
  const length = yield* input.length();
  const intake = new Intake(host);
  yield* intake.received(connection, "QMQP");
  for (let rest = length; rest > 0; ) {
    const piece = yield* input.some(rest);
    rest -= piece.length;
    yield* intake.write(piece);
  }
  yield* input.comma();
  const usable = yield* envelope(input, intake);
  input.left = 1;
  yield* input.comma();
  const queued = yield* intake.close();
  yield* settled(host.reply(netstring(usable ? queued : badAddress)));
}

/** Sender and recipients. False: an address was too long or had a NUL in it, and the message is given up. */
function* envelope(input: NetstringInput, intake: Intake): Steps<boolean> {
  const sender = yield* address(input);
  if (sender === undefined) intake.reject();
  else yield* intake.from(sender);
  let usable = sender !== undefined;
  while (input.left > 0) {
    const recipient = yield* address(input);
    if (recipient === undefined) intake.reject();
    else yield* intake.to(recipient);
    usable &&= recipient !== undefined;
  }
  return usable;
}

function* address(input: NetstringInput): Steps<Buffer | undefined> {
  const text = yield* input.text(yield* input.length(), addressLimit);
  yield* input.comma();
  return text?.includes(0) === true ? undefined : text;
}
