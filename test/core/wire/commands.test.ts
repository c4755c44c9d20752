/** Command lines: how they are taken apart, in whatever pieces they come. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { CommandReader } from "../../../src/core/wire/commands.ts";

const verbs = (input: string, limit?: number, cut = input.length): string[] => {
  const reader = new CommandReader(limit);
  const found: string[] = [];
  const bytes = Buffer.from(input, "latin1");
  for (let from = 0; from < bytes.length; ) {
    const { taken, command } = reader.take(bytes.subarray(from, from + cut));
    from += taken;
    if (command !== undefined)
      found.push(`${command.verb}|${command.argument.toString("latin1")}${command.whole ? "" : " ..."}`);
  }
  return found;
};

const rows: readonly (readonly [string, readonly string[]])[] = [
  ["NOOP\r\n", ["noop|"]],
  ["noop\nQUIT  now \r\n", ["noop|", "quit|now "]],
  ["A\r\r\n", ["a\r|"]],
  ["\r\n\n \r\n", ["|", "|", "|"]],
  [" NOOP\n", ["|NOOP"]],
  ["A\tb\n", ["a\tb|"]],
  ["A\0 b\nA b\0c\n\0\n", ["a|", "a|b", "|"]],
  ["\xc9 \xff\n", ["\xc9|\xff"]],
  ["unfinished", []],
];
for (const [input, expected] of rows) {
  test(`${JSON.stringify(input)} is ${JSON.stringify(expected)}`, () => {
    expect(verbs(input)).toEqual([...expected]);
    expect(verbs(input, undefined, 1)).toEqual([...expected]);
  });
}

test("a line without end takes bounded memory and says that it lost its end", () => {
  expect(verbs(`RCPT ${"x".repeat(1000)}\nNOOP y\n`, 10)).toEqual(["rcpt|xxxxx ...", "noop|y"]);
  const reader = new CommandReader();
  const piece = Buffer.alloc(65536, "x");
  const before = process.memoryUsage().rss;
  for (let count = 0; count < 4000; count++) expect(reader.take(piece).command).toBeUndefined();
  expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20);
  expect(reader.take(Buffer.from("\n")).command?.argument.length).toBe(0);
});

test("pieces make no difference", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "B", " ", "\r", "\n", "\0") });
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), (input, cut, limit) => {
      expect(verbs(input, limit, cut)).toEqual(verbs(input, limit));
    }),
  );
});
