/** The POP3 session after the password: what each command answers, and what becomes of the messages. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Pop3Server } from "../../../src/core/wire/pop3-server.ts";
import { Pop3Encoder } from "../../../src/core/wire/pop3-text.ts";
import { pieces } from "./intake.ts";

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Messages 1 to 3 are `one`, ..., with those words as text and a line feed; message 4 cannot be opened nor removed. */
const uids = ["one", "two", "three", "four"];

/** Every piece is overwritten once it is taken, as a program's buffer is. */
function talk(input: string, cuts?: readonly number[]) {
  let replies = "";
  const removed: number[] = [];
  const kept: number[] = [];
  const session = new Pop3Server({
    count: uids.length,
    uid: (index) => Buffer.from(uids[index] ?? ""),
    size: (index) => (uids[index] ?? "").length + 1,
    reply: (bytes) => {
      replies += latin1(bytes);
    },
    open: (index) => (index === 3 ? undefined : [Buffer.from(`${uids[index]}\n`)]),
    remove: (index) => index !== 3 && removed.push(index + 1) > 0,
    keep: (index) => void kept.push(index + 1),
  });
  session.greet();
  for (const piece of pieces(Buffer.from(input, "latin1"), cuts)) {
    session.feed(piece);
    piece.fill(0x21);
  }
  return { replies, removed, kept, done: session.done };
}

const okay = "+OK \r\n";
const syntax = "-ERR syntax error\r\n";
const noZero = "-ERR messages are counted from 1\r\n";
const tooBig = "-ERR not that many messages\r\n";

const answers: readonly (readonly [string, string])[] = [
  ["STAT\r\nDELE 3\r\nstat x\nRSET\r\nSTAT\r\n", `+OK 4 19\r\n${okay}+OK 4 13\r\n${okay}+OK 4 19\r\n`],
  ["LIST\r\n", `${okay}1 4\r\n2 4\r\n3 6\r\n4 5\r\n.\r\n`],
  ["UIDL\r\nUIDL 3\r\n", `${okay}1 one\r\n2 two\r\n3 three\r\n4 four\r\n.\r\n+OK 3 three\r\n`],
  ["DELE 2\r\nDELE 2\r\nLIST\r\n", `${okay}-ERR already deleted\r\n${okay}1 4\r\n3 6\r\n4 5\r\n.\r\n`],
  ["DELE 2\r\nRETR 2\r\nUIDL 2\r\n", `${okay}-ERR already deleted\r\n-ERR already deleted\r\n`],
  ["LIST 0\r\nLIST 5\r\nLIST x\r\nLIST -1\r\n", `${noZero}${tooBig}${syntax}${syntax}`],
  ["LIST 00002x\r\nRETR\r\nDELE\r\n", `+OK 2 4\r\n${syntax}${syntax}`],
  ["LIST 18446744073709551618\r\nLIST 18446744073709551616\r\n", `+OK 2 4\r\n${noZero}`],
  [
    "LAST\r\nDELE 2\r\nLAST\r\nDELE 1\r\nLAST\r\nRSET\r\nLAST\r\n",
    `+OK 0\r\n${okay}+OK 2\r\n${okay}+OK 2\r\n${okay}+OK 0\r\n`,
  ],
  ["RETR 1\r\nRETR 4\r\n", `${okay}one\r\n\r\n.\r\n-ERR unable to open that message\r\n`],
  ["NOOP x\r\nAPOP a b\r\n\r\ntoString\r\n", `${okay}${"-ERR unimplemented\r\n".repeat(3)}`],
];
for (const [input, replies] of answers) {
  test(`${JSON.stringify(input)} is answered ${JSON.stringify(replies)}`, () => {
    expect(talk(input).replies).toBe(okay + replies);
    expect(talk(input, [1]).replies).toBe(okay + replies);
  });
}

test("a long list is whole, in few pieces that stay as they are", () => {
  const count = 20_000;
  const size = (index: number): number => 10 ** (index % 14) + index;
  const kept: Buffer[] = [];
  const session = new Pop3Server({
    ...{ count, size, uid: (index: number) => Buffer.from(`u${index}`) },
    ...{ open: () => undefined, remove: () => true, keep: () => {} },
    reply: (bytes) => void kept.push(bytes),
  });
  session.feed(Buffer.from("DELE 2\r\nLIST\r\nUIDL\r\n"));
  const numbers = Array.from({ length: count }, (_, index) => index + 1).filter((number) => number !== 2);
  const list = (what: (number: number) => string) => numbers.map((number) => `${number} ${what(number)}\r\n`);
  expect(Buffer.concat(kept).toString()).toBe(
    [okay, okay, ...list((number) => `${size(number - 1)}`), ".\r\n"].join("") +
      [okay, ...list((number) => `u${number - 1}`), ".\r\n"].join(""),
  );
  expect(kept.length).toBeLessThan(20);
});

test("QUIT removes what is deleted, keeps the rest, and hears nothing after it", () => {
  expect(talk("DELE 1\r\nDELE 4\r\nRSET\r\nDELE 2\r\nQUIT\r\nDELE 3\r\n")).toEqual({
    replies: okay.repeat(6),
    removed: [2],
    kept: [1, 3, 4],
    done: true,
  });
});

test("a message that cannot be removed is told, and the session still ends well", () => {
  const { replies, removed } = talk("DELE 4\r\nDELE 1\r\nQUIT\r\n");
  expect(replies).toBe(`${okay.repeat(3)}-ERR unable to unlink all deleted messages\r\n${okay}`);
  expect(removed).toEqual([1]);
});

test("without QUIT nothing is removed and nothing is kept", () => {
  expect(talk("DELE 1\r\nQUIT")).toMatchObject({ removed: [], kept: [], done: false });
});

const commands = ["DELE", "RETR", "TOP", "LIST", "UIDL", "STAT", "RSET", "LAST", "QUIT", "NOOP"];
const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });

test("any session is the same however it is cut", () => {
  const noise = fc.uint8Array({ maxLength: 8 }).map(latin1);
  const phrase = fc.constantFrom(...commands, " 1", " 2", " 3 0", "\r\n", "\n", "\r", "\0", " ");
  const speech = fc.array(fc.oneof(phrase, noise), { maxLength: 40 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(speech, cuts, (input, lengths) => {
      expect(talk(input, lengths)).toEqual(talk(input));
    }),
    { numRuns: 500 },
  );
});

/** What a message looks like to a client: the straightforward way. */
function encoded(message: string, lines = Number.POSITIVE_INFINITY): string {
  const all = message.split("\n");
  if (all.at(-1) === "") all.pop();
  const end = all.indexOf("");
  const wanted = end < 0 ? all : all.slice(0, end + 1 + lines);
  return `${wanted.map((line) => `${line.startsWith(".") ? "." : ""}${line}\r\n`).join("")}\r\n.\r\n`;
}

function encode(message: string, lengths: readonly number[], lines?: number): string {
  const encoder = new Pop3Encoder(lines);
  const parts: string[] = [];
  for (const piece of pieces(Buffer.from(message, "latin1"), lengths)) {
    parts.push(latin1(encoder.take(piece)));
    if (encoder.done) break;
  }
  return parts.join("") + latin1(encoder.end());
}

const texts: readonly (readonly [string, number | undefined, string])[] = [
  ["", undefined, "\r\n.\r\n"],
  ["a", undefined, "a\r\n\r\n.\r\n"],
  [".\n..\n\n.", undefined, "..\r\n...\r\n\r\n..\r\n\r\n.\r\n"],
  ["a\n\nb\nc\n", 0, "a\r\n\r\n\r\n.\r\n"],
  ["a\n\nb\nc\n", 1, "a\r\n\r\nb\r\n\r\n.\r\n"],
  ["a\n\n\n\nb\n", 1, "a\r\n\r\n\r\n\r\n.\r\n"],
  ["a\r\n\nb", 0, "a\r\r\n\r\n\r\n.\r\n"],
];
for (const [message, lines, expected] of texts) {
  test(`${JSON.stringify(message)}, ${lines ?? "all"} lines of it, is sent as ${JSON.stringify(expected)}`, () => {
    expect(encode(message, [100], lines)).toBe(expected);
    expect(encode(message, [1], lines)).toBe(expected);
  });
}

test("any message is sent line by line, however it is read", () => {
  const text = fc.string({ unit: fc.constantFrom(".", "\n", "\r", "a", "\0", "\xff") });
  fc.assert(
    fc.property(text, cuts, fc.option(fc.nat(4), { nil: undefined }), (message, lengths, lines) => {
      expect(encode(message, lengths, lines)).toBe(encoded(message, lines));
    }),
    { numRuns: 1000 },
  );
});
