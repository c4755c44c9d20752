/** The beginning of a POP3 session: what is answered, and what a client is let in with. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Pop3Login } from "../../../src/core/wire/pop3-login.ts";
import { pieces } from "./intake.ts";

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Every piece is overwritten once it is taken, as a program's buffer is. */
function talk(input: string, cuts?: readonly number[]) {
  let replies = "";
  const session = new Pop3Login((line) => {
    replies += latin1(line);
  });
  for (const piece of pieces(Buffer.from(input, "latin1"), cuts)) {
    session.feed(piece);
    piece.fill(0x21);
  }
  const { result } = session;
  const credentials = typeof result === "object" ? [latin1(result.user), latin1(result.secret)] : result;
  return { replies: replies.split("\r\n").slice(0, -1), result: credentials };
}

const okay = "+OK ";
const syntax = "-ERR syntax error";
const first = "-ERR authorization first";
const x = (count: number): string => "x".repeat(count);

const rows: readonly (readonly [string, string[], ("quit" | string[])?])[] = [
  ["USER joe\r\nPASS a b \r\nQUIT\r\n", [okay], ["joe", "a b "]],
  ["user\njoe\npass\nUSER  j\r\r\n", [syntax, first, "-ERR USER first", okay]],
  [
    "PASS x\r\nUSER a\r\nUSER b\r\nUSER\r\nPASS\r\nPASS c\r\n",
    ["-ERR USER first", okay, okay, syntax, syntax],
    ["b", "c"],
  ],
  ["APOP joe 0f\r\n", [], ["joe", "0f"]],
  ["APOP joe\r\nAPOP\r\nAPOP joe \r\n", [syntax, syntax], ["joe", ""]],
  ["APOP  a  b\r\n", [], ["a", " b"]],
  [
    "STAT\r\n\r\nconstructor\r\n__proto__\r\nNOOP\r\nquit x\r\nNOOP\r\n",
    [first, first, first, first, okay, okay],
    "quit",
  ],
  ["USER j\0e\r\nPASS a\0b\r\n", [okay], ["j", "a"]],
  ["USER j\xe9\r\nPASS \xff\r\n", [okay], ["j\xe9", "\xff"]],
  [
    `USER ${x(17000)}\r\nUSER a\r\nPASS ${x(17000)}\r\nAPOP a ${x(17000)}\r\n`,
    [syntax, okay, syntax, syntax],
  ],
  [`USER ${x(16000)}\r\nPASS ${x(16000)}\r\n`, [okay], [x(16000), x(16000)]],
  ["USER joe", []],
];
for (const [input, replies, result] of rows) {
  const name = JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}...` : input);
  test(`${name} is answered ${replies.join(", ")}`, () => {
    expect(talk(input)).toEqual({ replies, result });
    expect(talk(input, [1])).toEqual({ replies, result });
  });
}

test("any session is the same however it is cut", () => {
  const noise = fc.uint8Array({ maxLength: 8 }).map(latin1);
  const phrase = fc.constantFrom("USER ", "PASS ", "APOP ", "quit", "a b", "\r\n", "\n", "\r", "\0", " ");
  const speech = fc.array(fc.oneof(phrase, noise), { maxLength: 30 }).map((parts) => parts.join(""));
  const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(speech, cuts, (input, lengths) => {
      expect(talk(input, lengths)).toEqual(talk(input));
    }),
    { numRuns: 500 },
  );
});
