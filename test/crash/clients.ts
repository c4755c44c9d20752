/** Clients of the servers: each brings one message, and says whether it was taken. */
import { connect } from "node:net";
import { encodeRequest } from "../../src/core/queue/resident-words.ts";

/** A message for one recipient. */
export interface Letter {
  text: string;
  from: string;
  to: string;
}

/** The protocols that take mail, and their servers. */
export const protocols = ["smtp", "qmtp", "qmqp"] as const;
export type Protocol = (typeof protocols)[number];

const netstring = (text: string): string => `${Buffer.byteLength(text, "latin1")}:${text},`;

/** All that a client says, byte for byte a character. */
export const said: Readonly<Record<Protocol, (letter: Letter) => string>> = {
  // Every line at once: the server reads on after its replies.
  smtp: ({ text, from, to }) =>
    ["HELO client.example", `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA", `${text}.`, "QUIT", ""]
      .join("\n")
      .replaceAll("\n", "\r\n"),
  // The first byte says that lines end with \n.
  qmtp: ({ text, from, to }) => [`\n${text}`, from, netstring(to)].map(netstring).join(""),
  qmqp: ({ text, from, to }) =>
    Buffer.concat(
      encodeRequest({
        message: [Buffer.from(text, "latin1")],
        sender: Buffer.from(from),
        recipients: [Buffer.from(to)],
      }),
    ).toString("latin1"),
};

/** What a server says that has taken the message. */
export const taken: Readonly<Record<Protocol, RegExp>> = {
  smtp: /^250 ok \d+ qp /m,
  qmtp: /^\d+:Kok /,
  qmqp: /^\d+:Kok /,
};

/** Says everything, and hears everything until the server closes or is gone; undefined: it does neither in time. */
export async function exchange(port: number, words: string, seconds: number): Promise<string | undefined> {
  const heard: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<"over" | "late">();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const timer = setTimeout(() => resolve("late"), seconds * 1000);
  socket.on("data", (bytes: Buffer) => heard.push(bytes));
  for (const event of ["end", "close", "error"]) socket.on(event, () => resolve("over"));
  socket.end(Buffer.from(words, "latin1"));
  const end = await promise;
  clearTimeout(timer);
  socket.destroy();
  return end === "late" ? undefined : Buffer.concat(heard).toString("latin1");
}
