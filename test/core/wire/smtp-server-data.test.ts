/** What follows DATA, in whatever pieces it comes: against the plainest way to say the same, a byte at a time. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { DataDecoder, HopCounter } from "../../../src/core/wire/smtp-server-data.ts";

interface Seen {
  text: string;
  taken: number;
  end: "end" | "stray" | undefined;
}

function decode(input: string, cuts: readonly number[]): Seen {
  const decoder = new DataDecoder();
  const seen: Seen = { text: "", taken: 0, end: undefined };
  const bytes = Buffer.from(input, "latin1");
  for (let turn = 0; seen.taken < bytes.length && seen.end === undefined; turn++) {
    const piece = bytes.subarray(seen.taken, seen.taken + (cuts[turn % cuts.length] ?? 1));
    const { text, taken, end } = decoder.take(piece);
    seen.text += text.toString("latin1");
    seen.taken += taken;
    seen.end = end;
  }
  return seen;
}

/** RFC 5321, 4.5.2, and no line feed without CR. A CR that nothing follows is not decided yet. */
function plainly(input: string): Seen {
  const stray = /(?<!\r)\n/.exec(input)?.index ?? input.length;
  const end = /(?:^|\r\n)\.\r\n/.exec(input);
  const endsAt = end === null ? input.length + 1 : end.index + end[0].length;
  const taken = Math.min(stray + 1, endsAt, input.length);
  const what = stray + 1 <= taken ? "stray" : endsAt <= taken ? "end" : undefined;
  const whole = input.slice(0, what === "stray" ? stray : taken);
  const lines = (what === "end" ? whole.slice(0, -3) : whole).split("\r\n");
  const last = lines.length - 1;
  const text = lines.map((line, index) => {
    if (index < last) return /^\.(?!\r)/.test(line) ? line.slice(1) : line;
    const rest = /^\.\r?$/.test(line) && what !== "stray" ? "" : line.replace(/^\.(?!\r)/, "");
    return what === undefined ? rest.replace(/\r$/, "") : rest;
  });
  return { text: text.join("\n"), taken, end: what };
}

const bytes = fc.string({
  unit: fc.constantFrom("\r\n", "\r\n", "\r\n", "\r", ".", ".", "a", "b".repeat(30), "\r\n.\r\n", "\n"),
  maxLength: 30,
});
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

test("pieces make no difference", () => {
  fc.assert(
    fc.property(bytes, cuts, (input, cut) => {
      expect(decode(input, cut)).toEqual(decode(input, [1]));
      expect(decode(input, [input.length + 1])).toEqual(decode(input, [1]));
    }),
    { numRuns: 3000 },
  );
});

test("whatever comes, the text is what the RFC says", () => {
  const strict = bytes.map((input) => input.replace(/\r+(?!\n)/g, ""));
  fc.assert(
    fc.property(strict, cuts, (input, cut) => {
      expect(decode(input, cut)).toEqual(plainly(input));
    }),
    { numRuns: 3000 },
  );
});

test("hops are counted in the header alone, in whatever pieces it comes", () => {
  const line = fc.constantFrom(
    ...[
      "Received: x",
      "rECEIVED",
      "Receive: x",
      " Received: x",
      "Delivered-To: x",
      "delivered",
      "Subject: d",
      "r",
      "\r",
    ],
    ...["Date: x", "", ".Received: x", "Received".repeat(9)],
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.integer({ min: 1, max: 50 }), (lines, cut) => {
      const counter = new HopCounter();
      const text = Buffer.from(lines.map((line) => `${line}\r\n`).join(""));
      for (let from = 0; from < text.length; from += cut) counter.take(text.subarray(from, from + cut));
      const end = lines.indexOf("");
      const header = end < 0 ? lines : lines.slice(0, end);
      expect(counter.hops).toBe(header.filter((line) => /^(received|delivered)/i.test(line)).length);
    }),
    { numRuns: 3000 },
  );
});
