/** Streams without an end: whatever is fed, an engine holds no more than a few megabytes. */
import { IdentAnswer } from "../../src/core/wire/ident.ts";
import { Pop3Login } from "../../src/core/wire/pop3-login.ts";
import { Pop3Server } from "../../src/core/wire/pop3-server.ts";
import { QmqpServer } from "../../src/core/wire/qmqp-server.ts";
import { QmtpClient } from "../../src/core/wire/qmtp-client.ts";
import { QmtpServer } from "../../src/core/wire/qmtp-server.ts";
import { SmtpClient } from "../../src/core/wire/smtp-client.ts";
import { SmtpServer } from "../../src/core/wire/smtp-server.ts";

type Feed = (piece: Buffer) => unknown;

/** The most an engine may hold. */
export const bound = 48 << 20;

const nothing = () => {};
const queue = {
  message: nothing,
  from: nothing,
  to: nothing,
  abandon: nothing,
  close: async () => ({ accepted: true as const, pid: 1 }),
};
const connection = { local: "l", remoteIp: "192.0.2.1", remoteHost: "r" };
const always = {
  allows: () => true,
  exists: () => true,
  refusal: () => undefined,
  isOurs: () => false,
  reply: nothing,
  now: () => 1,
  open: () => queue,
};

const emptyMailbox = {
  ...{ count: 0, uid: () => Buffer.alloc(0), size: () => 0 },
  ...{ reply: nothing, open: () => [], remove: () => true, keep: nothing },
};

const fed =
  (session: { feed: Feed }): Feed =>
  (piece) =>
    session.feed(piece);
const smtpServer = () =>
  fed(
    new SmtpServer(
      {
        greeting: Buffer.from("mx"),
        connection,
        relayClient: undefined,
        sizeLimit: 0,
        badSenders: new Set(),
        localIpHost: undefined,
        extensions: new Set(),
      },
      always,
    ),
  );
const qmtpServer = () => fed(new QmtpServer({ connection, relayClient: undefined, sizeLimit: 0 }, always));
const qmqpServer = () => fed(new QmqpServer(connection, always));
const smtpClient = () =>
  fed(
    new SmtpClient("p", { helo: Buffer.from("h"), sender: Buffer.from("s"), recipients: [Buffer.from("r")] }),
  );

const begin = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

/** Who is flooded, what comes first, and what then comes over and over. */
export const floods: readonly (readonly [string, () => Feed, string, string])[] = [
  ["smtp-server: no line end", smtpServer, "", "x"],
  ["smtp-server: MAIL without end", smtpServer, "MAIL FROM:<", "a\\"],
  ["smtp-server: recipients without end", smtpServer, begin, "RCPT TO:<c@d>\r\n"],
  ["smtp-server: long recipients without end", smtpServer, begin, `RCPT TO:<${"c".repeat(880)}@d>\r\n`],
  ["smtp-server: transactions without end", smtpServer, "", `${begin}DATA\r\n.\r\n`],
  ["smtp-server: a header line without end", smtpServer, `${begin}DATA\r\n`, "Received"],
  ["smtp-server: a header without end", smtpServer, `${begin}DATA\r\n`, "Received: x\r\n"],
  ["smtp-server: only CR", smtpServer, `${begin}DATA\r\n`, "\r"],
  ["smtp-server: only NUL", smtpServer, "", "\0"],
  ["qmtp-server: digits without end", qmtpServer, "", "0"],
  ["qmtp-server: a message, almost without end", qmtpServer, "199999999:\n", "x"],
  ["qmtp-server: CRs, almost without end", qmtpServer, "199999999:\r", "\r"],
  ["qmtp-server: recipients, almost without end", qmtpServer, "1:\n,0:,199999999:", "1:r,"],
  ["qmtp-server: a sender, almost without end", qmtpServer, "1:\n,199999999:", "x"],
  ["qmqp-server: digits without end", qmqpServer, "", "0"],
  ["qmqp-server: a message, almost without end", qmqpServer, "199999999:199999980:", "x"],
  ["qmqp-server: recipients, almost without end", qmqpServer, "199999999:0:,", "1:r,"],
  ["pop3-server: no line end", () => fed(new Pop3Server(emptyMailbox)), "", "RETR "],
  ["pop3-login: no line end", () => fed(new Pop3Login(nothing)), "USER ", "x"],
  ["pop3-login: users without end", () => fed(new Pop3Login(nothing)), "", `USER ${"x".repeat(1000)}\r\n`],
  ["smtp-client: a greeting without end", smtpClient, "", "220-x\r\n"],
  ["smtp-client: a greeting line without end", smtpClient, "220 ESMTP", "x"],
  ["smtp-client: extensions without end", smtpClient, "220 ESMTP\r\n", "250-X\r\n"],
  ["qmtp-client: an answer, almost without end", () => fed(new QmtpClient("p", 2)), "999999999:K", "x"],
  ["ident: no line end", () => fed(new IdentAnswer()), "", "x:"],
];

const pieceSize = 64 << 10;

/** Floods for `size` bytes; returns the most that was held more than before. */
export async function heldBy(start: () => Feed, first: string, again: string, size: number): Promise<number> {
  const piece = Buffer.from(again.repeat(Math.ceil(pieceSize / again.length)), "latin1");
  const before = held();
  const feed = start();
  await feed(Buffer.from(first, "latin1"));
  let most = 0;
  for (let sent = 0, next = size / 4; sent < size; sent += piece.length) {
    await feed(piece);
    if (sent < next) continue;
    next += size / 4;
    most = Math.max(most, held() - before);
  }
  const most2 = Math.max(most, held() - before);
  await feed(Buffer.alloc(0));
  return most2;
}

function held(): number {
  Bun.gc(true);
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
