/** What hosts answer when they are asked who opened a connection. */
import { expect, test } from "bun:test";
import { IdentAnswer, identQuestion } from "../../../src/core/wire/ident.ts";

const rows: readonly (readonly [string, string | undefined])[] = [
  ["40123 , 25 : USERID : UNIX : joe\r\n", "joe"],
  ["1,2:USERID:UNIX:a:b \t c\nmore", "a:bc"],
  ["1,2:ERROR:NO-USER\r\n", ""],
  ["\n", ""],
  ["1,2:USERID:UNIX:joe", undefined],
  [`:::${"x".repeat(2000)}`, "x".repeat(998)],
  [":::\xff\0\n", "\xff\0"],
];
for (const [answer, user] of rows) {
  test(`${JSON.stringify(answer.slice(0, 50))} names ${user?.slice(0, 50)}`, () => {
    const bytes = Buffer.from(answer, "latin1");
    for (const size of [1, 7, bytes.length]) {
      const reply = new IdentAnswer();
      for (let from = 0; from < bytes.length; from += size) reply.feed(bytes.subarray(from, from + size));
      expect(reply.user?.toString("latin1")).toBe(user);
    }
  });
}

test("the question names their port first", () => {
  expect(identQuestion(40123, 25).toString()).toBe("40123 , 25\r\n");
});
