import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Answer,
  AnswerReader,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  requestLimit,
} from "../../../src/core/delivery/worker-words.ts";

const word = fc.uint8Array({ min: 1, maxLength: 30 }).map((bytes) => Buffer.from(bytes));

test("a request is what it was, and nothing before it is complete", () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 9 }), (words) => {
      const bytes = encodeRequest(words) ?? Buffer.alloc(0);
      expect(decodeRequest(bytes)).toEqual(words);
      for (let length = 0; length < bytes.length; length++)
        expect(decodeRequest(bytes.subarray(0, length))).toBeUndefined();
    }),
  );
});

test("empty arguments are arguments", () => {
  const words = ["", "a", ""].map((text) => Buffer.from(text));
  expect(decodeRequest(encodeRequest(words) ?? Buffer.alloc(0))).toEqual(words);
});

test("what a request cannot say is not said", () => {
  expect(encodeRequest([Buffer.from("a\0b")])).toBeUndefined();
  expect(encodeRequest([Buffer.alloc(requestLimit, 97)])).toBeUndefined();
});

const answers: readonly Answer[] = [
  { kind: "programs" },
  { kind: "exit", code: 0, text: Buffer.from("did 1+0+0\n") },
  { kind: "exit", code: 111, text: Buffer.alloc(0) },
  { kind: "exit", code: 100, text: Buffer.from("Sorry\xff", "latin1") },
];

test.each(answers)("an answer, however it is cut: %p", (answer) => {
  const bytes = encodeAnswer(answer);
  const reader = new AnswerReader();
  // A worker's next answer begins anew.
  for (let round = 0; round < 2; round++) {
    for (const byte of bytes.subarray(0, -1)) expect(reader.add(Buffer.of(byte))).toBeUndefined();
    expect(reader.add(bytes.subarray(-1))).toEqual(answer);
  }
});

test("a text ends where a NUL is, and has an end", () => {
  const long = { kind: "exit", code: 0, text: Buffer.alloc(1_000_000, 97) } as const;
  const answer = new AnswerReader().add(encodeAnswer(long));
  expect(answer).toMatchObject({ kind: "exit", code: 0 });
  const cut = encodeAnswer({ kind: "exit", code: 0, text: Buffer.from("a\0b") });
  expect(new AnswerReader().add(cut)).toEqual({ kind: "exit", code: 0, text: Buffer.from("a") });
});

test.each([
  ["no letter of ours", Buffer.from("Kdelivered\0")],
  ["two answers to one request", Buffer.from("X\0a\0X\0b\0")],
  ["no end", Buffer.concat([Buffer.from("X\0"), Buffer.alloc(70_000, 97)])],
])("nonsense: %s", (_, bytes) => {
  expect(new AnswerReader().add(bytes)).toBe("nonsense");
});
