/** An SMTP session without a network and without a queue: what was said, and what was queued. */

import { SmtpServer, type SmtpSettings } from "../../../src/core/wire/smtp-server.ts";
import type { Reply } from "../../../src/core/wire/smtp-server-replies.ts";

/** What came of a session. Text has one character a byte. */
export interface Transcript {
  replies: string;
  /** Complete messages: `F sender T recipient... :` and the text without its Received field. */
  queued: string[];
  exitCode: number | undefined;
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const plain: SmtpSettings = {
  greeting: Buffer.from("mx"),
  connection: { local: "l", remoteIp: "192.0.2.1", remoteHost: "r" },
  relayClient: undefined,
  sizeLimit: 0,
  badSenders: new Set(["bad@x", "@bad.dom"]),
  localIpHost: Buffer.from("here"),
  extensions: new Set(),
};

/** What differs from the plain session. */
export interface Circumstances {
  settings?: Partial<SmtpSettings>;
  /** What the queue says instead of accepting. */
  report?: string;
  /** There are no descriptors for a queue program. */
  noQueue?: boolean;
  /** Where the input is cut: lengths of the pieces, over and over. Default: not at all. */
  cuts?: readonly number[];
  withReceived?: boolean;
  /** What a client that is to be kept out hears. */
  refusal?: Reply;
}

/** Feeds a client's bytes to a session. Every piece is overwritten once it is taken, as a program's buffer is. */
export async function talk(input: string | Buffer, how: Circumstances = {}): Promise<Transcript> {
  const transcript: Transcript = { replies: "", queued: [], exitCode: undefined };
  const session = new SmtpServer(
    { ...plain, ...how.settings },
    {
      reply: (line) => {
        transcript.replies += latin1(line);
      },
      now: () => 1,
      isOurs: (ip) => ["127.0.0.1", "0.0.0.0", "::1", "2001:db8::1"].includes(ip),
      allows: (recipient) => !latin1(recipient).endsWith("@far"),
      exists: (recipient) => !latin1(recipient).startsWith("nobody@"),
      refusal: () => how.refusal,
      open: () => (how.noQueue === true ? undefined : queue(transcript, how)),
    },
  );
  await session.greet();
  const bytes = typeof input === "string" ? Buffer.from(input, "latin1") : input;
  for (const piece of pieces(bytes, how.cuts)) {
    await session.feed(piece);
    piece.fill(0x21);
  }
  transcript.exitCode = session.exitCode;
  return transcript;
}

function queue(transcript: Transcript, how: Circumstances) {
  const parts: string[] = [];
  let envelope: string | undefined;
  let abandoned = false;
  return {
    message: (text: Uint8Array) => {
      if (abandoned || envelope !== undefined) throw new Error("no message here");
      parts.push(latin1(text));
    },
    from: (sender: Uint8Array) => {
      if (abandoned) throw new Error("abandoned");
      envelope = `F${latin1(sender)}`;
    },
    to: (recipient: Uint8Array) => {
      if (envelope === undefined) throw new Error("no sender");
      envelope += ` T${latin1(recipient)}`;
    },
    abandon: () => {
      if (abandoned) throw new Error("abandoned twice");
      abandoned = true;
    },
    close: async () => {
      if (abandoned) return { accepted: false as const, report: "Zqq read error (#4.3.0)", pid: 2 };
      if (how.report !== undefined) return { accepted: false as const, report: how.report, pid: 2 };
      transcript.queued.push(`${envelope}:${parts.slice(how.withReceived ? 0 : 1).join("")}`);
      return { accepted: true as const, pid: 2 };
    },
  };
}

function* pieces(bytes: Buffer, cuts: readonly number[] = [bytes.length]): Generator<Buffer> {
  for (let from = 0, index = 0; from < bytes.length; index++) {
    const length = Math.max(cuts[index % Math.max(cuts.length, 1)] ?? 1, 1);
    yield Buffer.from(bytes.subarray(from, from + length));
    from += length;
  }
}

/** The replies without the greeting, each by its number, or by its number and enhanced code. */
export function numbers({ replies }: Transcript): string {
  const lines = replies.split("\r\n").slice(1, -1);
  return lines.map((line) => line.slice(0, 4).trim()).join(" ");
}
