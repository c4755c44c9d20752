import { expect, test } from "bun:test";
import fc from "fast-check";
import { contentsStart, isField, knownField, readHeader } from "../../../src/core/mail/header.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

/** The lines of a text, one at a time. */
function lines(text: string): () => Buffer | undefined {
  const left = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  return () => {
    const line = left.shift();
    return line === undefined ? undefined : bytes(line);
  };
}

function split(text: string): [string[], string] {
  const fields: string[] = [];
  const start = readHeader(lines(text), (field) => fields.push(field.toString("latin1")));
  return [fields, start.toString("latin1")];
}

const messages: readonly (readonly [string, string, string[], string])[] = [
  ["empty", "", [], ""],
  ["a field and a body", "A: 1\n\nbody\n", ["A: 1\n"], "\n"],
  ["folded", "A: 1\n 2\n\t3\nB:\n\n", ["A: 1\n 2\n\t3\n", "B:\n"], "\n"],
  ["no body", "A: 1\n", ["A: 1\n"], ""],
  ["no line feed at the end", "A: 1", ["A: 1\n"], ""],
  ["no line feed behind a fold", "A: 1\n 2", ["A: 1\n 2\n"], ""],
  ["no header", "\nbody\n", [], "\n"],
  ["no field", "hello\nA: 1\n", [], "\nhello\n"],
  ["no field behind fields", "A: 1\nhello\n", ["A: 1\n"], "\nhello\n"],
  ["no field, no line feed", "hello", [], "\nhello\n"],
  ["fold without a field", " x\n", [], "\n x\n"],
  ["mbox line", "From a@b Thu\nA: 1\n\n", ["MBOX-Line: From a@b Thu\n", "A: 1\n"], "\n"],
  ["mbox line further down", "A: 1\nFrom x\n y\n\n", ["A: 1\n", "MBOX-Line: From x\n y\n"], "\n"],
  ["blank line with a blank", "A: 1\n \nB: 2\n\n", ["A: 1\n \n", "B: 2\n"], "\n"],
  ["CRLF", "A: 1\r\n\r\nbody\n", ["A: 1\r\n"], "\n\r\n"],
  ["NUL", "A: \0\n\n", ["A: \0\n"], "\n"],
];
for (const [about, text, fields, start] of messages) {
  test(about, () => {
    expect(split(text)).toEqual([fields, start]);
  });
}

test("a header of many lines takes no more than linear time", () => {
  const text = `A: 1\n${" x\n".repeat(300_000)}\n`;
  expect(split(text)[0][0]?.length).toBe(text.length - 1);
});

test("nothing of a header is lost", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a: b", " c", "From x", "no field", "x\ty: z", ":", "")),
      (parts) => {
        const text = parts.map((part) => `${part}\n`).join("");
        const next = lines(text);
        let seen = "";
        const start = readHeader(next, (field) => {
          seen += field.toString("latin1").replace("MBOX-Line: ", "");
        });
        seen += start.length > 1 ? start.toString("latin1", 1) : start.toString("latin1");
        for (let line = next(); line !== undefined; line = next()) seen += line.toString("latin1");
        expect(seen).toBe(text);
      },
    ),
  );
});

const names: readonly (readonly [string, string | undefined])[] = [
  ["To: x", "to"],
  ["tO:x", "to"],
  ["To \t: x", "to"],
  ["Tox: x", undefined],
  ["To", undefined],
  [": x", undefined],
  ["RESENT-MESSAGE-ID:", "resent-message-id"],
  ["Resent_To:", undefined],
  ["MBOX-Line: From x", undefined],
  ["Notice-Requested-Upon-Delivery-To: x", "notice-requested-upon-delivery-to"],
];
for (const [field, name] of names) {
  test(`${JSON.stringify(field)} is ${name ?? "not known"}`, () => {
    expect(knownField(bytes(field))).toBe(name as never);
  });
}

const validity: readonly (readonly [string, boolean])[] = [
  ["A: b", true],
  ["A  : b", true],
  ["A b: c", false],
  ["\xe9: c", false],
  ["a\x7f: c", false],
  ["  : c", false],
  ["a", false],
];
for (const [line, valid] of validity) {
  test(`${JSON.stringify(line)} is ${valid ? "a" : "no"} field`, () => {
    expect(isField(bytes(line))).toBe(valid);
  });
}

test("contents begin behind blanks and folds", () => {
  expect([
    contentsStart(bytes("A: \n\t b\n")),
    contentsStart(bytes("A:")),
    contentsStart(bytes("A")),
  ]).toEqual([6, 2, 1]);
});
