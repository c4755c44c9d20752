/** The QMTP session: answers, limits, and what no client can do. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { recipientLimit } from "../../../src/core/wire/qmtp-server.ts";
import { CrLfDecoder } from "../../../src/core/wire/qmtp-text.ts";
import { type Circumstances, mail, netstring, pieces, talk } from "./intake.ts";

const ok = netstring("Kok 1 qp 2");
const denied = netstring("Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)");
const unusable = netstring("Dsorry, I can't handle that recipient (#5.1.3)");
const tooBig = netstring("Dsorry, that message size exceeds my databytes limit (#5.3.4)");
const badSender = netstring("Dunacceptable sender (#5.1.7)");
const x = (count: number): string => "x".repeat(count);

const answers: readonly (readonly [string, string, Circumstances?])[] = [
  [mail("\nhello\n", "a@b", ["c@d"]), ok],
  [mail("\n", "", ["", "c"]), ok + ok],
  [mail("\nx", "a", []) + mail("\ry", "", ["c"]), ok],
  [mail("\nx", "a", ["c@far", "c", "c@FAR"]), denied + ok + ok],
  [mail("\nx", "a", ["c@far"]), denied],
  [mail("\nx", "a", ["c\0@d", "c\0@far", "c"]), unusable + denied + ok],
  [mail("\nx", "a", [x(999), x(1000), "c"]), ok + unusable + ok],
  [mail("\nx", x(999), ["c"]), ok],
  [mail("\nx", x(1000), ["c", "c@far"]), badSender + denied],
  [mail("\nx", "a\0b", ["c"]), badSender],
  [mail("\nx", "a\0b", ["c"]), tooBig, { sizeLimit: 0.5 }],
  [mail("\nx", "a", ["c@far", x(994), x(993)]), ok + unusable + ok, { relayClient: "@relay" }],
  [mail("\nx", "a\0b", [x(1000)]), unusable, { relayClient: x(1200) }],
  [mail("\n12345", "a", ["c"]) + mail("\n1234", "a", ["c"]), tooBig + ok, { sizeLimit: 4 }],
  [mail("\r1234\r\n5", "a", ["c"]) + mail("\r123\r\n", "a", ["c"]), tooBig + ok, { sizeLimit: 4 }],
  [mail("\r123\r", "a", ["c"]) + mail("\r1234\r", "a", ["c"]), ok + tooBig, { sizeLimit: 4 }],
  [mail("\nx", "a", ["c", "c@far"]), netstring("Dno (#5.7.1)") + denied, { report: "Dno (#5.7.1)" }],
  [mail("\nx", "a", ["c"]).replace("2:", "0000000002:"), ok],
  ["2:\nx,:,13:1/:123456789,,", ok],
];
for (const [input, replies, how] of answers) {
  const name = JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}...` : input);
  test(`${name} is answered ${JSON.stringify(replies)}`, async () => {
    expect(await talk("QMTP", input, how)).toMatchObject({ replies, exitCode: undefined });
  });
}

const ends: readonly (readonly [string, number | undefined])[] = [
  ["", undefined],
  ["0:,", 100],
  [":", 100],
  ["-1:", 100],
  ["2:x", 100],
  ["2:\nxy", 100],
  ["2000000000:", undefined],
  ["2000000001", undefined],
  ["20000000000", 111],
  ["2:\nx,1:ab", 100],
  ["2:\nx,1:a,4:9", undefined],
  ["2:\nx,1:a,4:9:", 100],
  ["2:\nx,1:a,4:2:c,", 100],
  ["2:\nx,1:a,3:1:c,,", 100],
  ["2:\nx,1:a,4:1:cc", 100],
  ["2:\nx,1:a,4:1:c,.", 100],
  ["2:\nx,1:a,9: 5:", 111],
  ["2:\nx,1:a,9: :", 100],
  ["2:\nx,1:a,9:\xff9", 111],
  ["2:\nx,1:a,3:000", 100],
];
for (const [input, exitCode] of ends) {
  test(`after ${JSON.stringify(input)} the exit code is ${exitCode}, and nothing is queued`, async () => {
    const cuts = Array.from(input, () => 1);
    expect(await talk("QMTP", input)).toEqual({ replies: "", queued: [], exitCode });
    expect(await talk("QMTP", input, { cuts, slow: true })).toEqual({ replies: "", queued: [], exitCode });
  });
}

test("recipients beyond the limit end the session", async () => {
  const many = (count: number) => mail("\nx", "a", new Array(count).fill(""));
  const { replies } = await talk("QMTP", many(recipientLimit));
  expect(replies.length).toBe(recipientLimit * ok.length);
  expect(await talk("QMTP", many(recipientLimit + 1))).toEqual({ replies: "", queued: [], exitCode: 111 });
});

const text = fc.string({ unit: fc.constantFrom("\r", "\n", "a", "\0", ",", "9:", "\xff") });
const address = fc.string({ unit: fc.constantFrom("a", "@", "far", "\0", ",", "\xff") });
const message = fc.record({
  text,
  crLf: fc.boolean(),
  sender: address,
  recipients: fc.array(address, { maxLength: 5 }),
});
const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });

test("every message is queued as it was meant, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message), cuts, fc.boolean(), async (messages, lengths, slow) => {
      const input = messages
        .map(({ text, crLf, sender, recipients }) => mail(`${crLf ? "\r" : "\n"}${text}`, sender, recipients))
        .join("");
      const whole = await talk("QMTP", input);
      expect(await talk("QMTP", input, { cuts: lengths, slow })).toEqual(whole);
      const wanted = messages
        .map(({ text, crLf, sender, recipients }) => ({
          text: crLf ? text.replaceAll("\r\n", "\n") : text,
          sender,
          good: recipients.filter((to) => !to.endsWith("@far") && !to.includes("\0")),
        }))
        .filter(({ sender, good }) => !sender.includes("\0") && good.length > 0)
        .map(({ text, sender, good }) => ({
          text,
          envelope: [`F${sender}`, ...good.map((to) => `T${to}`)].join(" "),
        }));
      expect(whole.queued).toEqual(wanted);
      const answered = whole.replies.match(/\d+:[KDZ][^,]*(?:, [^,]*)*,/g) ?? [];
      expect(answered.length).toBe(messages.flatMap(({ recipients }) => recipients).length);
    }),
    { numRuns: 300 },
  );
});

const token = fc.constantFrom(
  "1:",
  "0:",
  "2:\n",
  ",",
  ":",
  "9",
  "3:1:a,,",
  "\r",
  mail("\nx", "a", ["b"]),
  "99999999999",
);
const noise = fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString("latin1"));

test("garbage ends the session, or waits for more, and is the same however it is cut", async () => {
  const garbage = fc.array(fc.oneof(token, noise), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(garbage, cuts, async (parts, lengths) => {
      const input = parts.join("");
      const whole = await talk("QMTP", input);
      expect(await talk("QMTP", input, { cuts: lengths })).toEqual(whole);
      expect([undefined, 100, 111]).toContain(whole.exitCode as number);
    }),
    { numRuns: 500 },
  );
});

test("CR LF becomes LF in pieces of any size, and every other CR stays", () => {
  fc.assert(
    fc.property(text, cuts, (whole, lengths) => {
      const decoder = new CrLfDecoder();
      const parts = [...pieces(Buffer.from(whole, "latin1"), lengths)];
      const out = parts.flatMap((part, index) =>
        decoder.take(part, index === parts.length - 1).map((some) => some.toString("latin1")),
      );
      expect(out.join("")).toBe(whole.replaceAll("\r\n", "\n"));
    }),
  );
});
