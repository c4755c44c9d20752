/** QMTP and QMQP sessions without a network and without a queue: what was answered, and what was queued. */
import type { IntakeMessage } from "../../../src/core/wire/intake.ts";
import { QmqpServer } from "../../../src/core/wire/qmqp-server.ts";
import { QmtpServer } from "../../../src/core/wire/qmtp-server.ts";

/** What came of a session. Text has one character a byte. */
export interface Transcript {
  replies: string;
  /** Complete messages: text without its Received field, and envelope. */
  queued: { text: string; envelope: string }[];
  exitCode: number | undefined;
}

/** What differs from the plain session. */
export interface Circumstances {
  relayClient?: string;
  sizeLimit?: number;
  /** What the queue says instead of accepting. */
  report?: string;
  /** Where the input is cut: lengths of the pieces, over and over. Default: not at all. */
  cuts?: readonly number[];
  /** The program around the session answers by promises. */
  slow?: boolean;
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const connection = { local: "l", remoteIp: "192.0.2.1", remoteHost: "r" };
const received = /^Received: from r \(192\.0\.2\.1\)\n {2}by l with QM[TQ]P; .*\n/;

/** Feeds a client's bytes to a session. Every piece is overwritten once it is taken, as a program's buffer is. */
export async function talk(
  protocol: "QMTP" | "QMQP",
  input: string,
  how: Circumstances = {},
): Promise<Transcript> {
  const transcript: Transcript = { replies: "", queued: [], exitCode: undefined };
  const soon = <Value>(value: Value) => (how.slow === true ? Promise.resolve(value) : value);
  const host = {
    reply: (bytes: Buffer) => {
      transcript.replies += latin1(bytes);
      return soon(undefined);
    },
    now: () => 1,
    open: () => queue(transcript, how),
    allows: (recipient: Buffer) => soon(!latin1(recipient).endsWith("@far")),
  };
  const { relayClient, sizeLimit = 0 } = how;
  const relay = relayClient === undefined ? undefined : Buffer.from(relayClient, "latin1");
  const session =
    protocol === "QMTP"
      ? new QmtpServer({ connection, relayClient: relay, sizeLimit }, host)
      : new QmqpServer(connection, host);
  for (const piece of pieces(Buffer.from(input, "latin1"), how.cuts)) {
    await session.feed(piece);
    piece.fill(0x21);
  }
  transcript.exitCode = session.exitCode;
  return transcript;
}

function queue(transcript: Transcript, how: Circumstances): IntakeMessage {
  let text = "";
  let envelope = "";
  let state: "message" | "envelope" | "abandoned" = "message";
  const be = (wanted: typeof state) => {
    if (state !== wanted) throw new Error(`${state}, not ${wanted}`);
  };
  return {
    message: (bytes) => {
      be("message");
      text += latin1(bytes);
    },
    from: (sender) => {
      be("message");
      state = "envelope";
      envelope = `F${latin1(sender)}`;
    },
    to: (recipient) => {
      be("envelope");
      envelope += ` T${latin1(recipient)}`;
    },
    abandon: () => {
      if (state === "abandoned") throw new Error("abandoned twice");
      state = "abandoned";
    },
    close: async () => {
      if (state === "abandoned") return { accepted: false, report: "Zqq read error (#4.3.0)", pid: 2 };
      be("envelope");
      if (how.report !== undefined) return { accepted: false, report: how.report, pid: 2 };
      if (!received.test(text)) throw new Error(`no Received field: ${text}`);
      transcript.queued.push({ text: text.replace(/^.*\n.*\n/, ""), envelope });
      return { accepted: true, pid: 2 };
    },
  };
}

/** Cuts bytes into copies of its parts. */
export function* pieces(bytes: Buffer, cuts: readonly number[] = [bytes.length]): Generator<Buffer> {
  for (let from = 0, index = 0; from < bytes.length; index++) {
    const length = Math.max(cuts[index % Math.max(cuts.length, 1)] ?? 1, 1);
    yield Buffer.from(bytes.subarray(from, from + length));
    from += length;
  }
}

export const netstring = (text: string): string => `${text.length}:${text},`;

/** What a QMTP client sends for one message; `text` with its first byte, which tells how lines end. */
export const mail = (text: string, sender: string, recipients: readonly string[]): string =>
  netstring(text) + netstring(sender) + netstring(recipients.map(netstring).join(""));
