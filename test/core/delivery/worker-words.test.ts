import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Answer,
  AnswerReader,
  decodeRequest,
  encodeAnswer,
  encodeArguments,
  encodeRequest,
  type Manner,
  requestLimit,
} from "../../../src/core/delivery/worker-words.ts";

const word = fc.uint8Array({ min: 1, maxLength: 30 }).map((bytes) => Buffer.from(bytes));
const manners = fc.constantFrom<Manner>("shared", "alone");
const request = (number: number, manner: Manner, args: readonly Buffer[]): Buffer =>
  encodeRequest(number, manner, encodeArguments(args) ?? Buffer.alloc(0));

test("a request is what it was, and nothing before it is complete", () => {
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 9 }),
      manners,
      fc.nat(65535),
      (args, manner, number) => {
        const bytes = request(number, manner, args);
        expect(decodeRequest(bytes)).toEqual({ number, manner, args });
        for (let length = 0; length < bytes.length; length++)
          expect(decodeRequest(bytes.subarray(0, length))).toBeUndefined();
      },
    ),
  );
});

test("empty arguments are arguments", () => {
  const words = ["", "a", ""].map((text) => Buffer.from(text));
  expect(decodeRequest(request(1, "alone", words))?.args).toEqual(words);
});

test("what a request cannot say is not said", () => {
  expect(encodeArguments([Buffer.from("a\0b")])).toBeUndefined();
  expect(encodeArguments([Buffer.alloc(requestLimit, 97)])).toBeUndefined();
});

const answers: readonly Answer[] = [
  { kind: "programs" },
  { kind: "alone" },
  { kind: "exit", code: 0, text: Buffer.from("did 1+0+0\n") },
  { kind: "exit", code: 111, text: Buffer.alloc(0) },
  { kind: "exit", code: 100, text: Buffer.from("Sorry\xff", "latin1") },
];
const all = answers.map((answer, index) => ({ number: index * 256, answer }));
const said = Buffer.concat(all.map(({ number, answer }) => encodeAnswer(number, answer)));

test.each([1, 2, 3, 7, said.length])("answers one after another, in pieces of %d", (size) => {
  const reader = new AnswerReader();
  const got: unknown[] = [];
  for (let start = 0; start < said.length; start += size) {
    const some = reader.add(said.subarray(start, start + size));
    expect(some).not.toBe("nonsense");
    got.push(...some);
  }
  expect(got).toEqual(all);
});

test("a text ends where a NUL is, and has an end", () => {
  const long = { kind: "exit", code: 0, text: Buffer.alloc(1_000_000, 97) } as const;
  expect(new AnswerReader().add(encodeAnswer(1, long))).toMatchObject([
    { answer: { kind: "exit", code: 0 } },
  ]);
  const cut = encodeAnswer(1, { kind: "exit", code: 0, text: Buffer.from("a\0b") });
  expect(new AnswerReader().add(cut)).toEqual([
    { number: 1, answer: { kind: "exit", code: 0, text: Buffer.from("a") } },
  ]);
});

test.each([
  ["no letter of ours", Buffer.from("\0\0Kdelivered\0")],
  ["something behind an answer", Buffer.from("\0\x01X\0a\0\0\x01Q")],
  ["no end", Buffer.concat([Buffer.from("\0\x01X\0"), Buffer.alloc(70_000, 97)])],
])("nonsense: %s", (_, bytes) => {
  expect(new AnswerReader().add(bytes)).toBe("nonsense");
});
