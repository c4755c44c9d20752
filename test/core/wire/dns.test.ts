/** DNS messages, good and bad. */
import { expect, test } from "bun:test";
import { BadDnsMessage, decodeAnswer, encodeQuestion, type Question } from "../../../src/core/wire/dns.ts";

const question: Question = { id: 0x1234, name: "Host.dom", type: "MX" };
const asked = encodeQuestion(question) ?? Buffer.alloc(0);

/** An answer to the question: flags, then the records as bytes. */
function answer(flags: number, ...records: number[][]): Buffer {
  const message = Buffer.concat([asked, Buffer.from(records.flat())]);
  message.writeUInt16BE(flags, 2);
  message.writeUInt16BE(records.length, 6);
  return message;
}

const header = (type: number, length: number) => [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, length];

test("a question in bytes", () => {
  expect(asked.toString("hex")).toBe("123401000001000000000000" + "04486f737403646f6d00" + "000f0001");
});

for (const [name, fine] of [
  ["", true],
  ["a.b.", true],
  ["a..b", false],
  [".a", false],
  ["x".repeat(63), true],
  ["x".repeat(64), false],
  [`${"x.".repeat(126)}x`, true],
  [`${"x.".repeat(127)}x`, false],
  ["a\\.b", true],
  ["a\\", false],
] as const)
  test(`${fine ? "a" : "no"} name: ${name.slice(0, 20)} (${name.length})`, () => {
    expect(encodeQuestion({ id: 1, name, type: "A" }) !== undefined).toBe(fine);
  });

test("an MX record with a compressed name", () => {
  const reply = decodeAnswer(answer(0x8180, [...header(15, 7), 0, 10, 2, 109, 120, 0xc0, 17]), question);
  expect(reply?.records[0]).toMatchObject({ type: 15, preference: 10, name: "mx.dom" });
});

test("dots and strange bytes in a label come back as they can be asked for", () => {
  const reply = decodeAnswer(answer(0x8180, [...header(15, 7), 0, 0, 3, 46, 92, 7, 0]), question);
  expect(reply?.records[0]?.name).toBe("\\.\\\\\\007");
  const again = encodeQuestion({ id: 1, name: reply?.records[0]?.name ?? "", type: "A" });
  expect([...(again ?? [])].slice(12, 17)).toEqual([3, 46, 92, 7, 0]);
});

test("what belongs to another question is passed over", () => {
  const other = Buffer.from(answer(0x8180));
  other.writeUInt16BE(0x1235, 0);
  expect(decodeAnswer(other, question)).toBeUndefined();
  expect(decodeAnswer(answer(0x8180), { ...question, name: "other.dom" })).toBeUndefined();
  expect(decodeAnswer(answer(0x8180), { ...question, type: "A" })).toBeUndefined();
  expect(decodeAnswer(asked, question)).toBeUndefined();
});

test("the name may come back in other letters", () => {
  expect(decodeAnswer(answer(0x8183), { ...question, name: "hOST.DOM" })?.code).toBe(3);
});

const bad: readonly (readonly [string, Buffer])[] = [
  ["nothing", Buffer.alloc(0)],
  ["a record that is missing", Buffer.from(answer(0x8180, header(15, 0))).subarray(0, -3)],
  ["an MX record without a name", answer(0x8180, [...header(15, 2), 0, 1])],
  ["a pointer to itself", answer(0x8180, [...header(15, 4), 0, 1, 0xc0, asked.length + 14])],
  ["a pointer forward", answer(0x8180, [...header(15, 4), 0, 1, 0xc0, 200])],
  ["a name in a loop", answer(0x8180, [...header(15, 6), 0, 1, 1, 97, 0xc0, asked.length + 14])],
  ["an unknown kind of label", answer(0x8180, [...header(15, 4), 0, 1, 0x80, 0])],
];
for (const [about, message] of bad)
  test(`refused: ${about}`, () => {
    expect(() => decodeAnswer(message, question)).toThrow(BadDnsMessage);
  });

test("any bytes are an answer, another's, or refused", () => {
  const sample = answer(
    0x8180,
    [...header(15, 7), 0, 10, 2, 109, 120, 0xc0, 17],
    [...header(1, 4), 1, 2, 3, 4],
  );
  let seed = 1;
  for (let round = 0; round < 20000; round++) {
    const message = Buffer.from(sample);
    for (let change = 0; change < 3; change++) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      message[(seed >> 4) % message.length] = seed >> 16;
    }
    try {
      decodeAnswer(message.subarray(0, 1 + (seed % message.length)), question);
    } catch (failure) {
      expect(failure).toBeInstanceOf(BadDnsMessage);
    }
  }
});
