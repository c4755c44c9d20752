import { expect, test } from "bun:test";
import fc from "fast-check";
import { tokenize, unparse, unquote } from "../../../src/core/mail/token822.ts";

/** Tokens as `kind:text`, signs as they are. */
function shown(field: string): string | undefined {
  return tokenize(field)
    ?.map(({ kind, text }) => (kind.length > 1 ? `${kind}:${text}` : kind))
    .join(" ");
}

const rows: readonly (readonly [string, string | undefined])[] = [
  ["", ""],
  ["To: joe@host.dom", "atom:To : atom:joe @ atom:host . atom:dom"],
  ['"a \\"b" <c>', 'quoted:a "b < atom:c >'],
  ["(a(b)\\)c)", "comment:ab)c"],
  ["[1.2\\]3]", "literal:1.2]3"],
  ["a\\@b", "atom:a@b"],
  ["a\\ b c", "atom:a b atom:c"],
  ["a)b", "quoted:a)b"],
  ["a]", "quoted:a]"],
  ["a\\\\b", "quoted:a\\b"],
  ["\xe9", "quoted:\xe9"],
  ["a\0", "quoted:a\0"],
  ["a\\", "atom:a"],
  ["\\", "atom:"],
  ["a\r\n\tb", "atom:a atom:b"],
  [")", undefined],
  ["]", undefined],
  ["(a", undefined],
  ["((a)", undefined],
  ['"a', undefined],
  ['"a\\"', undefined],
  ["[a", undefined],
  ["(a\\", undefined],
];
for (const [field, tokens] of rows) {
  test(`tokens of ${JSON.stringify(field)}`, () => {
    expect(shown(field)).toBe(tokens);
  });
}

const written: readonly (readonly [string, string])[] = [
  ["To:a,b", "To: a, b\n"],
  ["To:joe<a@b>", "To: joe <a@b>\n"],
  ["To:a b(c)[d]", "To: a b (c) [d]\n"],
  ["To: a . b @ c", "To: a.b@c\n"],
  ["To:g:a;", "To: g: a;\n"],
  [`To: ${"a".repeat(40)},${"b".repeat(32)}`, `To: ${"a".repeat(40)}, ${"b".repeat(32)}\n`],
  [`To: ${"a".repeat(40)},${"b".repeat(33)}`, `To: ${"a".repeat(40)},\n  ${"b".repeat(33)}\n`],
  [`To: ${"a".repeat(90)},b`, `To: ${"a".repeat(90)},\n  b\n`],
  ["To: a,", "To: a,\n"],
  ["", "\n"],
];
for (const [field, text] of written) {
  test(`${JSON.stringify(field)} is written anew`, () => {
    expect(unparse(tokenize(field) ?? [])).toBe(text);
  });
}

test("comments and quotes mean nothing", () => {
  expect(unquote(tokenize('"joe b"(Joe)@[1.2](here)') ?? [])).toBe("joe b@[1.2]");
});

const pieces = fc.constantFrom(
  ...'ab(( ))[]""\\\\,,;:<>@. \t\r\n\0\xe9\x7f'.split(""),
  "joe",
  "@h.d",
  "(c)",
  '"q"',
);
const field = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(""));

test("any bytes are tokens or not, without a fault", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const tokens = tokenize(Buffer.from(bytes).toString("latin1"));
      if (tokens !== undefined) unparse(tokens);
    }),
  );
});

test("what was written is written the same again", () => {
  fc.assert(
    fc.property(field, (text) => {
      const tokens = tokenize(text);
      if (tokens === undefined) return;
      const once = unparse(tokens);
      const again = tokenize(once);
      // An escaped blank or sign in an atom is the one thing that is written without its escape.
      if (
        tokens.some(
          ({ kind, text: word }) => kind === "atom" && (word === "" || /[ \t(<>@,;:."[]/.test(word)),
        )
      )
        return;
      expect(again).toEqual(tokens);
      expect(unparse(again ?? [])).toBe(once);
    }),
    { numRuns: 1000 },
  );
});

test("no line is folded but behind a comma, and none with two addresses is longer than 80", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 30 }), (lengths) => {
      const addresses = lengths.map((length) => "a".repeat(length));
      const text = unparse(tokenize(`To:${addresses.join(",")}`) ?? []);
      for (const line of text.trimEnd().split("\n"))
        if (line.replace(/,$/, "").includes(",")) expect(line.length).toBeLessThanOrEqual(80);
      expect(text.replace(/,\n {2}/g, ", ")).toBe(`To: ${addresses.join(", ")}\n`);
    }),
  );
});

const large = 1_000_000;
for (const [about, text] of [
  ["an atom", "a".repeat(large)],
  ["escapes", "\\x".repeat(large / 2)],
  ["open parentheses", "(".repeat(large)],
  ["quotation marks", '"a"'.repeat(large / 3)],
  ["dots", ".".repeat(large)],
] as const) {
  test(`a megabyte of ${about}`, () => {
    const tokens = tokenize(text);
    expect(tokens === undefined).toBe(about === "open parentheses");
    if (tokens !== undefined) expect(unparse(tokens).length).toBeGreaterThanOrEqual(large / 2);
  });
}
