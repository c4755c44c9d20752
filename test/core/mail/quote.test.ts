import { expect, test } from "bun:test";
import fc from "fast-check";
import { needsQuotes, quoteAddress } from "../../../src/core/mail/quote.ts";
import { tokenize, unquote } from "../../../src/core/mail/token822.ts";

const rows: readonly (readonly [string, string])[] = [
  ["", ""],
  ["joe", "joe"],
  ["joe@host", "joe@host"],
  ["@host", '""@host'],
  ["joe@", "joe@"],
  ["a b@host", '"a b"@host'],
  ["a@b@host", '"a@b"@host'],
  [".joe@h", '".joe"@h'],
  ["joe.@h", '"joe."@h'],
  ["j.o.e@h", "j.o.e@h"],
  ["j..e@h", '"j..e"@h'],
  ['q"q@h', '"q\\"q"@h'],
  ["back\\slash@h", '"back\\\\slash"@h'],
  ["a\r\nb@h", '"a\\\r\\\nb"@h'],
  ["caf\xe9@h", '"caf\xe9"@h'],
  ["#@[]", "#@[]"],
  ["a+b/c=d~e@h", "a+b/c=d~e@h"],
  ["del\x7f@h", '"del\x7f"@h'],
];
for (const [address, quoted] of rows) {
  test(`<${JSON.stringify(address)}>`, () => {
    expect(quoteAddress(Buffer.from(address, "latin1")).toString("latin1")).toBe(quoted);
  });
}

test("a quoted box means the box", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), (bytes) => {
      const box = Buffer.from(bytes).filter((byte) => byte !== 64);
      const quoted = quoteAddress(Buffer.concat([box, Buffer.from("@h")])).toString("latin1");
      expect(unquote(tokenize(quoted) ?? [])).toBe(`${Buffer.from(box).toString("latin1")}@h`);
      expect(quoted.startsWith('"')).toBe(needsQuotes(box));
    }),
  );
});
