/** The engines that talk to servers of strangers, and the readers of what strangers answer. */

import { BadDnsMessage, decodeAnswer, encodeQuestion } from "../../src/core/wire/dns.ts";
import { IdentAnswer } from "../../src/core/wire/ident.ts";
import { QmtpClient } from "../../src/core/wire/qmtp-client.ts";
import { type Session, SmtpClient } from "../../src/core/wire/smtp-client.ts";
import { pieces } from "../core/wire/intake.ts";
import type { Engine } from "./engine.ts";

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Recipient reports, then one message report: `r`, `h`, `s`; `K`, `Z`, `D`; NUL behind each (qmail-remote(8)). */
const isReport = (report: string, recipients: number): boolean => {
  const parts = report.split("\0");
  const last = parts.at(-2) ?? "";
  return (
    parts.pop() === "" &&
    /^[KZD]/.test(last) &&
    parts.length <= recipients + 1 &&
    parts.slice(0, -1).every((part) => /^[rhs]/.test(part))
  );
};

const recipients = ["c@d", "e@f"];

const smtpClient: Engine = {
  name: "smtp-client",
  corpus: [
    "220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n250 kept\r\n",
    "220 x ESMTP\r\n250-x\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n",
    "220 x ESMTP\r\n502 no\r\n250 x\r\n451 later\r\n",
    "554-go\r\n554 away\r\n",
  ],
  tokens: [
    "250 ok\r\n",
    "250-",
    "451 x\r\n",
    "550 x\r\n",
    "354 go\r\n",
    "220 ESMTP\r\n",
    "250-PIPELINING\r\n",
    "999",
    "abc",
  ],
  stream: true,
  run: (input, cuts) => {
    const client = new SmtpClient("partner", {
      helo: Buffer.from("me"),
      sender: Buffer.from("a\xe4@b", "latin1"),
      recipients: recipients.map((text) => Buffer.from(text)),
    });
    let output = "";
    const advance = () => {
      if (client.state === "message")
        output +=
          latin1(client.body(Buffer.from(".x\n"))) +
          latin1(client.bodyEnd()) +
          latin1(client.feed(Buffer.alloc(0)));
    };
    for (const piece of pieces(Buffer.from(input, "latin1"), cuts)) {
      if (client.state === "over") break;
      output += latin1(client.feed(piece));
      piece.fill(0x21);
      advance();
    }
    const over = client.state === "over";
    if (!over) client.dropped();
    const report = latin1(client.report());
    if (!isReport(report, recipients.length)) throw new Error(`no report: ${JSON.stringify(report)}`);
    return {
      output,
      effects: over ? [report] : [],
      kind: `${output.replace(/[^A-Z.]+/g, " ")} ${report.replace(/[^\0]{2,}/g, (text) => text[0] ?? "")}`,
    };
  },
};

/** Sessions that carry one message after the other; what comes too early or too late depends on the cuts. */
const smtpSession: Engine = {
  name: "smtp-session",
  corpus: [
    `220 x ESMTP\r\n250-x\r\n250 PIPELINING\r\n${"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n".repeat(3)}`,
    "220 x\r\n250 x\r\n250 ok\r\n550 no\r\n550 no\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n421 bye\r\n",
    "220 x ESMTP\r\n250-x\r\n250 PIPELINING\r\n550 no\r\n503 no\r\n503 no\r\n250 reset\r\n452 enough\r\n",
  ],
  tokens: [
    "250 ok\r\n",
    "250-",
    "421 x\r\n",
    "451 x\r\n",
    "550 x\r\n",
    "354 go\r\n",
    "220 ESMTP\r\n",
    "250-PIPELINING\r\n",
  ],
  stream: false,
  run: (input) => {
    const transaction = {
      helo: Buffer.from("me"),
      sender: Buffer.from("a@b"),
      recipients: recipients.map((text) => Buffer.from(text)),
    };
    let output = "";
    const effects: string[] = [];
    let session: Session | undefined;
    let replies: string[] = input.match(/[^\n]*\n/g) ?? [];
    for (let first = true; first || session !== undefined; first = false) {
      const client: SmtpClient = new SmtpClient("partner", transaction, { keep: true, session });
      const begin = latin1(client.begin());
      if (
        session !== undefined &&
        begin !== (session.clean ? "MAIL FROM:<a@b>\r\n" : "RSET\r\n") &&
        session.extensions.size === 0
      )
        throw new Error(`begins with ${JSON.stringify(begin)}`);
      output += begin;
      let dotted = false;
      for (; client.state !== "over" && replies.length > 0; replies = replies.slice(1)) {
        output += latin1(client.feed(Buffer.from(replies[0] ?? "", "latin1")));
        if (client.state !== "message") continue;
        output += latin1(client.body(Buffer.from(".x\n"))) + latin1(client.bodyEnd());
        dotted = true;
        output += latin1(client.feed(Buffer.alloc(0)));
      }
      if (client.state !== "over") client.dropped();
      if (client.stale && (session === undefined || dotted)) throw new Error("a message delivered twice");
      if (client.stale && client.session !== undefined)
        throw new Error("the end of a session, which goes on");
      const report = latin1(client.report());
      if (!client.stale && !isReport(report, recipients.length))
        throw new Error(`no report: ${JSON.stringify(report)}`);
      effects.push(client.stale ? "stale" : report);
      session = replies.length === 0 ? undefined : client.session;
    }
    return {
      output,
      effects,
      kind: `${output.replace(/[^A-Z.]+/g, " ")} ${effects.map((report) => report.replace(/[^\0]{2,}/g, (text) => text[0] ?? ""))}`,
    };
  },
};

const qmtpClient: Engine = {
  name: "qmtp-client",
  corpus: ["3:Kok,3:Kno,", "4:Zbad,3:Dno,", "2:Kk,", "1:x,"],
  tokens: ["3:Kok,", "3:Zno,", "3:Dno,", "0:,", "999999999:", "9999999999:", ":", ","],
  stream: true,
  run: (input, cuts) => {
    const client = new QmtpClient("partner", recipients.length);
    client.sent();
    for (const piece of pieces(Buffer.from(input, "latin1"), cuts)) {
      client.feed(piece);
      piece.fill(0x21);
    }
    const { over } = client;
    if (!over) client.dropped();
    const report = latin1(client.report());
    if (!isReport(report, recipients.length)) throw new Error(`no report: ${JSON.stringify(report)}`);
    return {
      output: "",
      effects: over ? [report] : [],
      kind: `${over} ${report.replace(/[^\0]{2,}/g, (text) => text[0] ?? "")}`,
    };
  },
};

const ident: Engine = {
  name: "ident",
  corpus: [
    "1 , 2 : USERID : UNIX : joe\r\n",
    "1 , 2 : ERROR : NO-USER\r\n",
    `1,2:USERID:UNIX:${"x".repeat(998)}`,
  ],
  tokens: [":", " : USERID : ", "\t"],
  stream: true,
  run: (input, cuts) => {
    const answer = new IdentAnswer();
    for (const piece of pieces(Buffer.from(input, "latin1"), cuts)) answer.feed(piece);
    const { user } = answer;
    if ((user?.length ?? 0) > 998) throw new Error("a user too long");
    return { output: "", effects: user === undefined ? [] : [latin1(user)], kind: `${user?.length}` };
  },
};

const question = { id: 7, name: "a.b", type: "MX" } as const;
const answer = (records: string, count: number): string => {
  const asked = latin1(encodeQuestion(question) ?? Buffer.of());
  return `\0\x07\x81\x80\0\x01\0${String.fromCharCode(count)}\0\0\0\0${asked.slice(12)}${records}`;
};

const dns: Engine = {
  name: "dns",
  corpus: [
    answer("\xc0\x0c\0\x0f\0\x01\0\0\0\x09\0\x06\0\x0a\x01m\xc0\x0c", 1),
    answer("\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x02\xc0\x21", 1),
    answer("\xc0\x21\0\x0f\0\x01\0\0\0\x09\0\x04\0\x0a\xc0\x2b", 1),
    answer("\x3f", 255),
    answer("", 0),
  ],
  tokens: ["\xc0\x0c", "\xc0\xff", "\xff\xff", "\x3f", "\0\x0f\0\x01", "\0\x01", "\0\x1c"],
  stream: false,
  run: (input) => {
    try {
      const decoded = decodeAnswer(Buffer.from(input, "latin1"), question);
      const names = decoded?.records.map(({ name, type }) => `${type} ${name}`) ?? [];
      for (const { name } of decoded?.records ?? [])
        if (name !== "" && encodeQuestion({ ...question, name }) === undefined)
          throw new Error(`a name that is none: ${name}`);
      return {
        output: "",
        effects: names,
        kind: `${decoded?.code} ${decoded?.truncated} ${decoded?.records.map(({ type }) => type).slice(0, 5)}`,
      };
    } catch (failure) {
      if (!(failure instanceof BadDnsMessage)) throw failure;
      return { output: "", effects: [], kind: failure.message };
    }
  },
};

export const clients: readonly Engine[] = [smtpClient, smtpSession, qmtpClient, ident, dns];
