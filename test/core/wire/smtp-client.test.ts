/** The SMTP client's engine: dialogues, whole and in single bytes; the recorded cases are in test/conformance. */
import { expect, test } from "bun:test";
import { type Session, SmtpClient } from "../../../src/core/wire/smtp-client.ts";
import { BodyEncoder } from "../../../src/core/wire/smtp-client-body.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

interface Dialogue {
  about: string;
  recipients?: string[];
  sender?: string;
  message?: string;
  /** In turn: what the server says, what the client answers. `(end)` from the server: the connection ends. */
  talk: [string, string][];
  report: string;
}

const accepted = "r\0K192.0.2.1 accepted message.\nRemote host said: 250 kept\n\0";
const pipelining = "250-mx\r\n250-SIZE 1000\r\n250-pipelining\r\n250 HELP\r\n";

const dialogues: readonly Dialogue[] = [
  {
    about: "HELO to a server that does not speak of ESMTP",
    talk: [
      ["220 mx\r\n", "HELO me\r\n"],
      ["250 mx\r\n", "MAIL FROM:<a@b>\r\n"],
      ["250 ok\r\n", "RCPT TO:<c@d>\r\n"],
      ["250 ok\r\n", "DATA\r\n"],
      ["354 go\r\n", "..x\r\n.\r\n"],
      ["250 kept\r\n", "QUIT\r\n"],
    ],
    report: accepted,
  },
  {
    about: "EHLO to one that does, which offers nothing",
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      ["250 mx\r\n", "MAIL FROM:<a@b>\r\n"],
      ["250 ok\r\n", "RCPT TO:<c@d>\r\n"],
      ["250 ok\r\n", "DATA\r\n"],
      ["354 go\r\n", "..x\r\n.\r\n"],
      ["250 kept\r\n", "QUIT\r\n"],
    ],
    report: accepted,
  },
  {
    about: "HELO after all if EHLO is not understood",
    talk: [
      ["220 esmtp\r\n", "EHLO me\r\n"],
      ["500-what\r\n500 now\r\n", "HELO me\r\n"],
      ["550 go away\r\n", "QUIT\r\n"],
    ],
    report: "ZConnected to 192.0.2.1 but my name was rejected.\nRemote host said: 550 go away\n\0",
  },
  {
    about: "a server that has no time after EHLO",
    talk: [
      ["220 ESMTP\r\n", "EHLO me\r\n"],
      ["421 busy\r\n", "QUIT\r\n"],
    ],
    report: "ZConnected to 192.0.2.1 but my name was rejected.\nRemote host said: 421 busy\n\0",
  },
  {
    about: "PIPELINING: MAIL and RCPT together, DATA behind the answers",
    recipients: ["c@d", "e@d", "f@d"],
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      [pipelining, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@d>\r\nRCPT TO:<f@d>\r\n"],
      ["250 ok\r\n550 no\r\n250 ok\r\n", ""],
      ["450 later\r\n", "DATA\r\n"],
      ["354 go\r\n", "..x\r\n.\r\n"],
      ["250 kept\r\n", "QUIT\r\n"],
    ],
    report:
      "h192.0.2.1 does not like recipient.\nRemote host said: 550 no\n\0r\0" +
      "s192.0.2.1 does not like recipient.\nRemote host said: 450 later\n\0" +
      "K192.0.2.1 accepted message.\nRemote host said: 250 kept\n\0",
  },
  {
    about: "PIPELINING: with a single recipient DATA, too",
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      [pipelining, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"],
      ["250 ok\r\n250 ok\r\n354 go\r\n", "..x\r\n.\r\n"],
      ["250 kept\r\n", "QUIT\r\n"],
    ],
    report: accepted,
  },
  {
    about: "PIPELINING: a single recipient refused, and then DATA",
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      [pipelining, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"],
      ["250 ok\r\n450 later\r\n554 nobody\r\n", "QUIT\r\n"],
    ],
    report:
      "s192.0.2.1 does not like recipient.\nRemote host said: 450 later\n\0DGiving up on 192.0.2.1.\n\0",
  },
  {
    about: "PIPELINING: a single recipient taken, and then no DATA",
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      [pipelining, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"],
      ["250 ok\r\n250 ok\r\n451 later\r\n", "QUIT\r\n"],
    ],
    report: "r\0Z192.0.2.1 failed on DATA command.\nRemote host said: 451 later\n\0",
  },
  {
    about: "PIPELINING: a refused sender ends it, whatever follows",
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      [pipelining, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"],
      ["550 not you\r\n503 no\r\n503 no\r\n", "QUIT\r\n"],
    ],
    report: "DConnected to 192.0.2.1 but sender was rejected.\nRemote host said: 550 not you\n\0",
  },
  {
    about: "SMTPUTF8 where an address needs it",
    recipients: ["\xc3\xa9@d"],
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      ["250-mx\r\n250 SMTPUTF8\r\n", "MAIL FROM:<a@b> SMTPUTF8\r\n"],
      ["250 ok\r\n", "RCPT TO:<\xc3\xa9@d>\r\n"],
      ["250 ok\r\n", "DATA\r\n"],
      ["354 go\r\n", "..x\r\n.\r\n"],
      ["250 kept\r\n", "QUIT\r\n"],
    ],
    report: accepted,
  },
  {
    about: "a connection that ends behind the final dot",
    talk: [
      ["220 mx\r\n", "HELO me\r\n"],
      ["250 mx\r\n", "MAIL FROM:<a@b>\r\n"],
      ["250 ok\r\n", "RCPT TO:<c@d>\r\n"],
      ["250 ok\r\n", "DATA\r\n"],
      ["354 go\r\n", "..x\r\n.\r\n"],
      ["25(end)", ""],
    ],
    report: "r\0ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n\0",
  },
  {
    about: "answers that come before they are asked for",
    talk: [
      ["220 mx\r\n250 a\r\n", "HELO me\r\nMAIL FROM:<a@b>\r\n"],
      ["250 b\r\n250 c\r\n354 d\r\n250 kept\r\n", "RCPT TO:<c@d>\r\nDATA\r\n..x\r\n.\r\nQUIT\r\n"],
    ],
    report: accepted,
  },
  {
    about: "a message without end of line",
    message: "x",
    talk: [
      ["220 mx\r\n", "HELO me\r\n"],
      ["250 mx\r\n", "MAIL FROM:<a@b>\r\n"],
      ["250 ok\r\n", "RCPT TO:<c@d>\r\n"],
      ["250 ok\r\n", "DATA\r\n"],
      ["354 go\r\n", "x"],
    ],
    report: "r\0DSMTP cannot transfer messages with partial final lines. (#5.6.2)\n\0",
  },
];

/** Plays the driver: gives `said` to the client in pieces, and the message when it is wanted. */
function exchange(client: SmtpClient, said: string, piece: number, message: string): string {
  const text = said.replace("(end)", "");
  let answer = "";
  for (let start = 0; start < text.length; start += piece) {
    answer += client.feed(bytes(text.slice(start, start + piece))).toString("latin1");
    if (client.state !== "message") continue;
    for (const character of message) answer += client.body(bytes(character)).toString("latin1");
    answer += client.bodyEnd().toString("latin1") + client.feed(Buffer.alloc(0)).toString("latin1");
  }
  if (text !== said) client.dropped();
  return answer;
}

for (const { about, recipients = ["c@d"], sender = "a@b", message = ".x\n", talk, report } of dialogues)
  for (const piece of [1, 7, 1000])
    test(`${about}, in pieces of ${piece}`, () => {
      const client = new SmtpClient("192.0.2.1", {
        helo: bytes("me"),
        sender: bytes(sender),
        recipients: recipients.map(bytes),
      });
      for (const [said, answer] of talk) expect(exchange(client, said, piece, message)).toBe(answer);
      expect(client.state).toBe("over");
      expect(client.report().toString("latin1")).toBe(report);
    });

const plain: Session = { extensions: new Set(), clean: true };
const piped: Session = { extensions: new Set(["PIPELINING"]), clean: false };
const sent: [string, string][] = [
  ["250 ok\r\n", "RCPT TO:<c@d>\r\n"],
  ["250 ok\r\n", "DATA\r\n"],
  ["354 go\r\n", "..x\r\n.\r\n"],
];

/** Sessions that go on: from which one the client comes, and which one it leaves behind. */
const continuations: readonly (Omit<Dialogue, "report"> & {
  from?: Session;
  begin?: string;
  report?: string;
  next: Session | "ended" | "stale";
})[] = [
  {
    about: "a new session is left open, and knows what the server offered",
    talk: [
      ["220 mx ESMTP\r\n", "EHLO me\r\n"],
      ["250-mx\r\n250 SMTPUTF8\r\n", "MAIL FROM:<a@b>\r\n"],
      ...sent,
      ["250 kept\r\n", ""],
    ],
    report: accepted,
    next: { extensions: new Set(["SMTPUTF8"]), clean: true },
  },
  {
    about: "behind an accepted message comes the next",
    from: plain,
    begin: "MAIL FROM:<a@b>\r\n",
    talk: [...sent, ["250 kept\r\n", ""]],
    report: accepted,
    next: plain,
  },
  {
    about: "behind a refused one comes RSET first",
    from: piped,
    begin: "RSET\r\n",
    talk: [
      ["250 ok\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"],
      ["250 ok\r\n250 ok\r\n354 go\r\n", "..x\r\n.\r\n"],
      ["250 kept\r\n", ""],
    ],
    report: accepted,
    next: { ...piped, clean: true },
  },
  {
    about: "a refused recipient ends no session",
    from: plain,
    begin: "MAIL FROM:<a@b>\r\n",
    talk: [
      ["250 ok\r\n", "RCPT TO:<c@d>\r\n"],
      ["550 no\r\n", ""],
    ],
    report: "h192.0.2.1 does not like recipient.\nRemote host said: 550 no\n\0DGiving up on 192.0.2.1.\n\0",
    next: { ...plain, clean: false },
  },
  {
    about: "nor does a message refused behind its final dot",
    from: plain,
    begin: "MAIL FROM:<a@b>\r\n",
    talk: [...sent, ["451 later\r\n", ""]],
    report: "r\0Z192.0.2.1 failed after I sent the message.\nRemote host said: 451 later\n\0",
    next: { ...plain, clean: false },
  },
  {
    about: "421 behind the final dot is an answer, and the end",
    from: plain,
    begin: "MAIL FROM:<a@b>\r\n",
    talk: [...sent, ["421 later\r\n", "QUIT\r\n"]],
    report: "r\0Z192.0.2.1 failed after I sent the message.\nRemote host said: 421 later\n\0",
    next: "ended",
  },
  {
    about: "a connection that ends behind the final dot is never tried again",
    from: plain,
    begin: "MAIL FROM:<a@b>\r\n",
    talk: [...sent, ["(end)", ""]],
    report: "r\0ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n\0",
    next: "ended",
  },
  ...(["421 bye\r\n", "452 enough\r\n", "(end)"] as const).map((said) => ({
    about: `a continued session whose MAIL meets ${said.trim()} was at its end`,
    from: plain,
    begin: "MAIL FROM:<a@b>\r\n",
    talk: [[said, said === "(end)" ? "" : "QUIT\r\n"]] as [string, string][],
    next: "stale" as const,
  })),
  {
    about: "so was one that does not take RSET",
    from: piped,
    begin: "RSET\r\n",
    talk: [["500 what\r\n", "QUIT\r\n"]],
    next: "stale",
  },
  {
    about: "and one that meets 421 at RCPT",
    from: plain,
    begin: "MAIL FROM:<a@b>\r\n",
    talk: [
      ["250 ok\r\n", "RCPT TO:<c@d>\r\n"],
      ["421 bye\r\n", "QUIT\r\n"],
    ],
    next: "stale",
  },
  {
    about: "a new session that refuses the name does not go on",
    talk: [
      ["220 mx\r\n", "HELO me\r\n"],
      ["550 no\r\n", "QUIT\r\n"],
    ],
    report: "ZConnected to 192.0.2.1 but my name was rejected.\nRemote host said: 550 no\n\0",
    next: "ended",
  },
  {
    about: "nor does one whose greeting is none",
    talk: [["554 no\r\n", "QUIT\r\n"]],
    report: "ZConnected to 192.0.2.1 but greeting failed.\nRemote host said: 554 no\n\0",
    next: "ended",
  },
];

for (const { about, from, begin = "", talk, report = "", next } of continuations)
  for (const piece of [1, 1000])
    test(`${about}, in pieces of ${piece}`, () => {
      const client = new SmtpClient(
        "192.0.2.1",
        { helo: bytes("me"), sender: bytes("a@b"), recipients: [bytes("c@d")] },
        { keep: true, session: from },
      );
      expect(client.begin().toString()).toBe(begin);
      for (const [said, answer] of talk) expect(exchange(client, said, piece, ".x\n")).toBe(answer);
      expect(client.state).toBe("over");
      expect(client.stale).toBe(next === "stale");
      expect(client.session).toEqual(typeof next === "string" ? undefined : next);
      if (!client.stale) expect(client.report().toString("latin1")).toBe(report);
    });

/** A refusal while replies are still to come: `more` comes at the same moment. What is said then; whether it goes on. */
for (const [refusal, more, said, goesOn] of [
  ["550 not you\r\n", "503 no\r\n503 no\r\n", "", true],
  ["550 not you\r\n", "", "QUIT\r\n", false],
  ["550 not you\r\n", "503 no\r\n503 no\r\n25", "QUIT\r\n", false],
  ["550 not you\r\n", "503 no\r\n503 no\r\n250 what\r\n", "QUIT\r\n", false],
  ["550 not you\r\n", "503 no\r\n421 bye\r\n", "QUIT\r\n", false],
  ["550 not you\r\n", "503 no\r\n354 go\r\n", ".\r\nQUIT\r\n", false],
  ["250 ok\r\n550 not you\r\n", "554 no\r\n", "", true],
  ["250 ok\r\n550 not you\r\n", "", "QUIT\r\n", false],
  ["250 ok\r\n550 not you\r\n", "354 go\r\n", ".\r\nQUIT\r\n", false],
  ["250 ok\r\n550 not you\r\n", "354 go\r\n554 nobody\r\n", ".\r\nQUIT\r\n", false],
] as const)
  test(`${JSON.stringify(refusal)}, then ${JSON.stringify(more)}: ${JSON.stringify(said)}`, () => {
    const client = new SmtpClient(
      "h",
      { helo: bytes("me"), sender: bytes("a"), recipients: [bytes("b")] },
      { keep: true },
    );
    client.feed(bytes("220 ESMTP\r\n"));
    client.feed(bytes("250-x\r\n250 PIPELINING\r\n"));
    expect(client.feed(bytes(`${refusal}${more}`)).toString()).toBe(said);
    expect(client.state).toBe("over");
    expect(client.session?.clean).toBe(goesOn ? false : undefined);
    expect(client.report().toString()).toBe(
      refusal.startsWith("550")
        ? "DConnected to h but sender was rejected.\nRemote host said: 550 not you\n\0"
        : "hh does not like recipient.\nRemote host said: 550 not you\n\0DGiving up on h.\n\0",
    );
  });

test("two hundred recipients travel a hundred commands at a time", () => {
  const recipients = Array.from({ length: 200 }, (_, index) => bytes(`r${index}@d`));
  const client = new SmtpClient("h", { helo: bytes("me"), sender: bytes("a@b"), recipients });
  client.feed(bytes("220 ESMTP\r\n"));
  const count = (out: Buffer) => out.toString().split("\r\n").length - 1;
  expect(count(client.feed(bytes("250-x\r\n250 PIPELINING\r\n")))).toBe(100);
  expect(count(client.feed(bytes("250 ok\r\n".repeat(100))))).toBe(100);
  expect(client.feed(bytes("250 ok\r\n".repeat(100))).toString()).toBe("RCPT TO:<r199@d>\r\n");
  expect(client.feed(bytes("250 ok\r\n")).toString()).toBe("DATA\r\n");
});

test("a server that never stops talking costs no memory", () => {
  const client = new SmtpClient("h", { helo: bytes("me"), sender: bytes("a"), recipients: [bytes("b")] });
  const noise = Buffer.from("250-words and words\r\n".repeat(4000));
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 500; round++) client.feed(noise);
  expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  client.feed(bytes("550 end\r\n"));
  expect(client.report().length).toBeLessThan(5100);
});

test("whatever a server sends, there is no throw and one message report at most", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  const words = [
    "220 x ESMTP\r\n",
    "250 ok\r\n",
    "250-",
    "354 g\r\n",
    "5",
    "\r",
    "\n",
    "\0",
    "450 \xff\n",
    "-\r\n",
  ];
  for (let round = 0; round < 3000; round++) {
    const client = new SmtpClient("h", { helo: bytes("me"), sender: bytes("a"), recipients: [bytes("b")] });
    for (let turn = 0; turn < 20 && client.state !== "over"; turn++)
      exchange(client, words[random(words.length)] ?? "", 1 + random(5), "m\n");
    if (client.state !== "over") client.dropped();
    const parts = client.report().toString("latin1").split("\0");
    expect(parts.pop()).toBe("");
    expect(parts.filter((part) => /^[KZD]/.test(part)).length).toBe(1);
  }
});

test("a message is encoded the same in pieces of any size", () => {
  const message = bytes(".a\n..b\r\nc\rd\r\r.\r\n\n.\n\r");
  const encoded = (piece: number) => {
    const encoder = new BodyEncoder();
    const parts: Buffer[] = [];
    for (let start = 0; start < message.length; start += piece)
      parts.push(Buffer.from(encoder.push(message.subarray(start, start + piece))));
    return Buffer.concat([...parts, encoder.end() ?? bytes("(none)")]).toString("latin1");
  };
  const whole = "..a\r\n...b\r\nc\r\nd\r\n\r.\r\n\r\n..\r\n\r\n.\r\n";
  for (const piece of [1, 2, 3, 100]) expect(encoded(piece)).toBe(whole);
});
