/** The engines that strangers connect to. */
import { Pop3Login } from "../../src/core/wire/pop3-login.ts";
import { Pop3Server } from "../../src/core/wire/pop3-server.ts";
import { SmtpClient } from "../../src/core/wire/smtp-client.ts";
import { mail, netstring, talk as netstringTalk, pieces } from "../core/wire/intake.ts";
import { talk } from "../core/wire/session.ts";
import type { Engine, Observed } from "./engine.ts";
import { recordedSessions } from "./recorded.ts";

const smtpSettings = { relayClient: Buffer.of(), localIpHost: undefined, badSenders: new Set<string>() };
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** The first characters of each line: enough to tell replies apart. */
const lineStarts = (text: string, length: number): string =>
  text
    .split("\n")
    .slice(0, 12)
    .map((line) => line.slice(0, length))
    .join(" ");

const smtpTokens = [
  "HELO x\r\n",
  "EHLO x\r\n",
  "MAIL FROM:<a@b>\r\n",
  "RCPT TO:<c@d>\r\n",
  "DATA\r\n",
  "RSET\r\n",
  "QUIT\r\n",
  "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
  "x\r\n.\r\n",
  "\r\n..\r\n",
  '"\\<@[127.0.0.1]',
  " SIZE=99999999999999999999 SMTPUTF8",
];

/** Sends a queued message with the client's engine to a server's; returns what that one queued. */
export async function forwarded(text: string): Promise<string[]> {
  const client = new SmtpClient("partner", {
    helo: Buffer.from("me"),
    sender: Buffer.from("a"),
    recipients: [Buffer.from("b")],
  });
  let sent = latin1(client.feed(Buffer.from("220 x\r\n")));
  for (let step = 0; step < 4; step++)
    sent += latin1(client.feed(Buffer.from(step < 3 ? "250 ok\r\n" : "354 go\r\n")));
  sent += latin1(client.body(Buffer.from(text, "latin1"))) + latin1(client.bodyEnd());
  return (await talk(`${sent}QUIT\r\n`, { settings: smtpSettings })).queued;
}

/**
 * What is to arrive of a message: every CR, with a LF behind it or not, has become a line end, and the byte behind
 * one is taken as it is. Undefined where that byte is a dot: recorded cases (qmail-remote-0253, 0350) have it sent as
 * it is, which a partner may take for the end of the message.
 */
export function arrivalOf(text: string): string | undefined {
  let dot = false;
  const arrival = text.replace(/\r(.?)/gs, (_, next: string) => {
    dot ||= next === ".";
    return next === "\n" ? "\n" : `\n${next}`;
  });
  return dot ? undefined : arrival;
}

/** Every message that the server queues goes on to the next as one message, and as the same. */
async function smuggled({ effects }: Observed): Promise<string | undefined> {
  for (const queued of effects.slice(0, -1)) {
    const text = queued.slice(queued.indexOf(":\0") + 2);
    const wanted = arrivalOf(text);
    if (wanted === undefined) continue;
    const arrived = await forwarded(text);
    if (arrived.length !== 1 || arrived[0] !== `Fa Tb:${wanted}`)
      return `queued ${JSON.stringify(text)}, and sent on it arrives as ${JSON.stringify(arrived)}`;
  }
  return undefined;
}

/** Never more replies than lines that came, beside the greeting. */
function unasked(input: string, { output }: Observed): string | undefined {
  const replies = output.match(/^\d{3} .*$/gm)?.length ?? 0;
  const lines = input.split("\n").length - 1;
  return replies > lines + 1 ? `${replies} replies to ${lines} lines` : undefined;
}

function smtp(name: string, settings: Parameters<typeof talk>[1]): Engine {
  return {
    name,
    corpus: recordedSessions("qmail-smtpd"),
    tokens: smtpTokens,
    stream: true,
    run: async (input, cuts) => {
      const { replies, queued, exitCode } = await talk(input, { ...settings, cuts });
      // The envelope in one word, so that the message begins behind the first colon and NUL.
      const effects = queued.map((message) => message.replace(":", ":\0"));
      return {
        output: replies,
        effects: exitCode === undefined ? effects : [...effects, `exit ${exitCode}`],
        kind: `${lineStarts(replies, 4)} ${exitCode}`,
      };
    },
    check: async (input, observed) => unasked(input, observed),
  };
}

/** Whatever SMTP sender and text: what is queued here is queued there, once. */
const relay: Engine = {
  name: "smtp-relay",
  corpus: [
    "x\r\n.\r\n",
    "..x\r\n\r\n.\r\n",
    "a\rb\r\n.\r\n",
    "\0\xff\r\r\n.\r\n",
    "x\r\n.\r\nMAIL FROM:<e>\r\n",
    "x\n.\r\n",
    "\r\n.\r.\r\n.\r\n",
  ],
  tokens: [...anyLineEnds(), ...smtpTokens],
  stream: true,
  run: async (input, cuts) => {
    const session = `MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n${input}`;
    const { replies, queued, exitCode } = await talk(session, { settings: smtpSettings, cuts });
    const messages = queued.map((message) => message.replace(":", ":\0"));
    return {
      output: replies,
      effects: [...messages, ...(exitCode === undefined ? [] : [`exit ${exitCode}`])],
      kind: `${lineStarts(replies, 4)} ${input.replace(/[^\r\n.]+/g, "x").slice(0, 12)}`,
    };
  },
  check: async (_, observed) =>
    await smuggled({
      ...observed,
      effects: [...observed.effects.filter((effect) => effect.includes(":\0")), ""],
    }),
};

function anyLineEnds(): string[] {
  return [
    "\r\n.\r\n",
    "\n.\r\n",
    "\r\n.\n",
    "\n.\n",
    "\r.\r",
    "\r\n.\r.\r\n",
    "\r\n..\r\n",
    "\r\r\n",
    ".\r\r\n.\r\n",
    "\0.\r\n",
  ];
}

function netstrings(protocol: "QMTP" | "QMQP", program: string): Engine {
  return {
    name: `${protocol.toLowerCase()}-server`,
    corpus: [...recordedSessions(program), mail("\nx", "a", ["b", "c@far"]), mail("\rx\r\n\r", "", ["b"])],
    tokens: [
      "0:,",
      "1:x,",
      "999:",
      "99999999999:",
      "200000001:",
      ":",
      ",",
      "\n",
      "\r",
      netstring("a@b"),
      mail("\nx\n", "a", ["b"]),
    ],
    stream: true,
    run: async (input, cuts) => {
      const { replies, queued, exitCode } = await netstringTalk(protocol, input, {
        cuts,
        slow: input.length % 2 === 0,
      });
      const effects = queued.map(({ envelope, text }) => `${envelope}:\0${text}`);
      return {
        output: replies,
        effects: exitCode === undefined ? effects : [...effects, `exit ${exitCode}`],
        kind: `${replies.replace(/\d+/g, "").slice(0, 60)} ${exitCode}`,
      };
    },
  };
}

const pop3Messages = ["a\n\nb\n.c\n", "", "x", "\n\n\n.\n..\n"];

const pop3Server: Engine = {
  name: "pop3-server",
  corpus: recordedSessions("qmail-pop3d"),
  tokens: [
    "LIST\r\n",
    "UIDL 1\r\n",
    "RETR 2\r\n",
    "TOP 4 1\r\n",
    "DELE 1\r\n",
    "DELE 18446744073709551617\r\n",
    "RSET\r\n",
    "STAT\r\n",
    "LAST\r\n",
    "QUIT\r\n",
    " ",
    "0",
  ],
  stream: true,
  run: (input, cuts) => {
    let output = "";
    const effects: string[] = [];
    const session = new Pop3Server({
      count: pop3Messages.length,
      uid: (index) => Buffer.from(`u${index}`),
      size: (index) => pop3Messages[index]?.length ?? 0,
      reply: (bytes) => {
        output += latin1(bytes);
      },
      open: (index) => (index === 2 ? undefined : pieces(Buffer.from(pop3Messages[index] ?? ""), cuts)),
      remove: (index) => effects.push(`remove ${index}`) > 0 && index !== 3,
      keep: (index) => effects.push(`keep ${index}`),
    });
    session.greet();
    for (const piece of pieces(Buffer.from(input, "latin1"), cuts)) {
      session.feed(piece);
      piece.fill(0x21);
    }
    if (session.done) effects.push("done");
    return { output, effects, kind: lineStarts(output, 12) };
  },
};

const pop3Login: Engine = {
  name: "pop3-login",
  corpus: recordedSessions("qmail-popup"),
  tokens: ["USER a\r\n", "PASS b\r\n", "APOP a b\r\n", "QUIT\r\n", "NOOP\r\n", " "],
  stream: true,
  run: (input, cuts) => {
    let output = "";
    const session = new Pop3Login((line) => {
      output += latin1(line);
    });
    session.greet(Buffer.from("<1@x>"));
    for (const piece of pieces(Buffer.from(input, "latin1"), cuts)) {
      session.feed(piece);
      piece.fill(0x21);
    }
    const { result } = session;
    const effects =
      result === undefined
        ? []
        : [result === "quit" ? result : `${latin1(result.user)}\0${latin1(result.secret)}`];
    return { output, effects, kind: `${lineStarts(output, 10)} ${typeof result}` };
  },
};

export const servers: readonly Engine[] = [
  smtp("smtp-server", { settings: { sizeLimit: 200 } }),
  smtp("smtp-server-extensions", {
    settings: {
      extensions: new Set(["SIZE", "SMTPUTF8", "ENHANCEDSTATUSCODES"] as const),
      relayClient: Buffer.from("@r"),
    },
  }),
  relay,
  netstrings("QMTP", "qmail-qmtpd"),
  netstrings("QMQP", "qmail-qmqpd"),
  pop3Server,
  pop3Login,
];
