import { expect, test } from "bun:test";
import fc from "fast-check";
import { complete, inOrder, rewriteAddresses } from "../../../src/core/mail/addresses.ts";
import { tokenize, unparse, unquote } from "../../../src/core/mail/token822.ts";

/** Addresses of a field's contents from right to left, and the field written anew; undefined: no list. */
function list(contents: string): [string[], string | undefined] {
  const found: string[] = [];
  const tokens = rewriteAddresses(tokenize(`To: ${contents}\n`) ?? [], (address) => {
    found.push(unquote(inOrder(address)));
    return address;
  });
  return [found, tokens && unparse(tokens).slice(4, -1)];
}

const lists: readonly (readonly [string, string[], string | undefined])[] = [
  ["", [], ""],
  ["joe", ["joe"], "joe"],
  ["a, b", ["b", "a"], "a, b"],
  ["a b", ["b", "a"], "a, b"],
  ["a@h b@h", ["b@h", "a@h"], "a@h, b@h"],
  ["Joe B <a@h>, c", ["c", "a@h"], "Joe B <a@h>, c"],
  ["<>", [""], "<>"],
  ["a <b> c", ["c", "b"], "a <b>, c"],
  ["g: a, b;, c", ["c", "b", "a"], "g: a, b;, c"],
  ["g:;", [], "g: ;"],
  ["a (comment) @ h", ["a@h"], "a@h (comment)"],
  [",,a,", ["a"], ", , a,"],
  ["<@r:joe@h>", ["@r:joe@h"], "<@r: joe@h>"],
  ["a:b", ["b"], undefined],
  ["a;b;", ["b"], undefined],
  ["a>", ["a"], undefined],
  ["x, <y", ["<y", "x"], "x, <y"],
];
for (const [contents, addresses, text] of lists) {
  test(`list ${JSON.stringify(contents)}`, () => {
    const [found, written] = list(contents);
    expect(found).toEqual(addresses);
    expect(written?.trimStart()).toBe(text as string);
  });
}

const reversed = (text: string) => (tokenize(text) ?? []).reverse();
const completions = {
  defaultHost: reversed("@dh"),
  defaultDomain: reversed(".dd.example"),
  plusDomain: reversed(".plus"),
};
const full = (address: string) => unquote(inOrder(complete(reversed(address), completions)));

const completed: readonly (readonly [string, string])[] = [
  ["", ""],
  ["joe", "joe@dh.dd.example"],
  ["joe@h", "joe@h.dd.example"],
  ["joe@h.d", "joe@h.d"],
  ["joe@h+", "joe@h.plus"],
  ["joe@h.d+", "joe@h.d.plus"],
  ["joe@+", "joe@.plus"],
  ["joe+", "joe+@dh.dd.example"],
  ["joe@h.", "joe@h.dd.example"],
  ["joe@", "joe@dh.dd.example"],
  ["joe@[]", "joe@[]"],
  ["joe@[1.2.3.4]", "joe@[1.2.3.4]"],
  ["@r:joe", "joe@dh.dd.example"],
  ["@r,@s:joe@h.d", "joe@h.d"],
  ["@a@b", ""],
  ["@r:", ""],
  [".", ""],
  ["@", ""],
  ["a.b", "a.b@dh.dd.example"],
];
for (const [address, expected] of completed) {
  test(`${JSON.stringify(address)} is completed`, () => {
    expect(full(address)).toBe(expected);
  });
}

const plain = fc.stringMatching(/^[a-z]{1,8}(\.[a-z]{1,8}){0,2}(@[a-z]{1,8}(\.[a-z]{1,8}){1,2}\+?)?$/);

test("completing twice changes nothing", () => {
  fc.assert(
    fc.property(plain, (address) => {
      const once = full(address);
      expect(full(once)).toBe(once);
    }),
  );
});

test("a list with every address once gives them all, and reads the same when written", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(plain, { minLength: 1 }),
      fc.constantFrom(", ", ",\n\t", " , (c) "),
      (all, comma) => {
        const [found, written] = list(all.join(comma));
        expect(found).toEqual(all.toReversed());
        expect(list(written ?? "")[0]).toEqual(found);
      },
    ),
  );
});
