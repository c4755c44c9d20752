/** The QMQP session: its one answer, limits, and what no client can do. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Circumstances, netstring, talk } from "./intake.ts";

const ok = netstring("Kok 1 qp 2");
const unusable = netstring("Dsorry, I can't accept addresses like that (#5.1.3)");
const x = (count: number): string => "x".repeat(count);
const packed = (...strings: string[]): string => netstring(strings.map(netstring).join(""));

const answers: readonly (readonly [string, string, Circumstances?])[] = [
  [packed("hello\n", "a@b", "c@d"), ok],
  [packed("", "", ""), ok],
  [packed("x", "a"), ok],
  [packed("x", x(999), x(999)), ok],
  [packed("x", x(1000), "c"), unusable],
  [packed("x", "a", "c", x(1000), "d"), unusable],
  [packed("x", "a\0", "c"), unusable],
  [packed("x", "a", "\0"), unusable],
  [packed("x", "a", "c"), netstring("Zno"), { report: "Zno" }],
  [packed("x", "a", "\0"), unusable, { report: "Zno" }],
  [`${packed("x", "a", "c")}${packed("x", "a", "c")}`, ok],
];
for (const [input, replies, how] of answers) {
  const name = JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}...` : input);
  test(`${name} is answered ${replies}, and that is all`, async () => {
    expect(await talk("QMQP", input, how)).toMatchObject({ replies, exitCode: 0 });
    expect(await talk("QMQP", input, { ...how, cuts: [1], slow: true })).toMatchObject({
      replies,
      exitCode: 0,
    });
  });
}

const ends: readonly (readonly [string, number | undefined])[] = [
  ["", undefined],
  ["0:", 100],
  ["3:abc,", 100],
  ["5:99:ab", 100],
  ["5:99:a", undefined],
  ["1:1", 100],
  [`${"0".repeat(99)}9`, 100],
  [`${"0".repeat(98)}5:`, undefined],
  ["20000000000", 111],
  ["30:20000000000", 111],
  [packed("x", "a", "c").replace(/,$/, ";"), 100],
  [packed("x", "a", "c").replace(",1:a", ";1:a"), 100],
  [packed("x", "a", "c").replace(/,,$/, ";,"), 100],
];
for (const [input, exitCode] of ends) {
  test(`after ${JSON.stringify(input)} the exit code is ${exitCode}, and nothing is queued`, async () => {
    expect(await talk("QMQP", input)).toEqual({ replies: "", queued: [], exitCode });
    expect(await talk("QMQP", input, { cuts: [1] })).toEqual({ replies: "", queued: [], exitCode });
  });
}

const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
const text = fc.string({ unit: fc.constantFrom("\r", "\n", "a", "\0", ",", "9:", "\xff") });
const address = fc.string({ unit: fc.constantFrom("a", "@", ",", "\xff") });

test("a message is queued as it was meant, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(text, address, fc.array(address), cuts, async (body, sender, recipients, lengths) => {
      const { queued } = await talk("QMQP", packed(body, sender, ...recipients), { cuts: lengths });
      const envelope = [`F${sender}`, ...recipients.map((to) => `T${to}`)].join(" ");
      expect(queued).toEqual([{ text: body, envelope }]);
    }),
  );
});

const noise = fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString("latin1"));

test("garbage ends the session, or waits for more, and is the same however it is cut", async () => {
  const token = fc.constantFrom("9:", "1:a,", "0:,", "20:3:abc,1:a,", "2:", ",", "4", "99999999999");
  const garbage = fc.array(fc.oneof(token, noise), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(garbage, cuts, async (parts, lengths) => {
      const input = parts.join("");
      const whole = await talk("QMQP", input);
      expect(await talk("QMQP", input, { cuts: lengths })).toEqual(whole);
      expect([undefined, 0, 100, 111]).toContain(whole.exitCode as number);
    }),
    { numRuns: 500 },
  );
});
