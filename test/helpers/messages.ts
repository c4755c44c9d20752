/** A message as each of the servers takes it. */
import { netstring } from "../../src/core/wire/netstring.ts";

/** One message from a@b to joe@test.example; lines end with a line feed. */
export interface Way {
  program: string;
  /** Everything that a client says for one message with this text. */
  say: (text: string) => string;
  /** What it hears at the end. */
  accepted: RegExp;
}

const [sender, recipient] = ["a@b", "joe@test.example"].map((address) =>
  netstring(address).toString("latin1"),
);
const string = (text: string): string => netstring(text).toString("latin1");

/** qmail-smtpd, qmail-qmtpd and qmail-qmqpd. */
export const ways: readonly Way[] = [
  {
    program: "qmail-smtpd",
    say: (text) =>
      `MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n${text.replace(/^\./gm, "..").replaceAll("\n", "\r\n")}.\r\nQUIT\r\n`,
    accepted: /354 go ahead\r\n250 ok \d+ qp \d+\r\n221 test\.example\r\n$/,
  },
  {
    program: "qmail-qmtpd",
    say: (text) => [string(`\n${text}`), sender, string(recipient ?? "")].join(""),
    accepted: /^\d+:Kok \d+ qp \d+,$/,
  },
  {
    program: "qmail-qmqpd",
    say: (text) => string([string(text), sender, recipient].join("")),
    accepted: /^\d+:Kok \d+ qp \d+,$/,
  },
];

/** Text of about so many bytes. */
export const longText = (bytes: number): string =>
  `Subject: long\n\n${`${"x".repeat(77)}\n`.repeat(Math.ceil(bytes / 78))}`;

export const shortText = "Subject: x\n\nhi\n";
