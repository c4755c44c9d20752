/** The SMTP session: what each command does, limits, and what no client can do. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { type Circumstances, numbers, talk } from "./session.ts";

const begin = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
const mail = (text: string): string => `${begin}DATA\r\n${text}`;

const rows: readonly (readonly [string, string, Circumstances?])[] = [
  ["EHLO x\r\n", "250- 250- 250"],
  ["HELO\r\nhElO x\nQUIT\r\nNOOP\r\n", "250 250 221"],
  ["constructor\r\n__proto__ x\r\n\r\n\0\r\n", "502 502 502 502"],
  ["DATA\r\nRCPT TO:<c@d>\r\nMAIL FROM:<>\r\nDATA\r\n", "503 503 250 503"],
  [`${begin}RSET\r\nDATA\r\n`, "250 250 250 503"],
  [
    `${begin}MAIL FROM:<${"x".repeat(900)}>\r\n${mail("x\r\n.\r\n").slice(begin.length)}`,
    "250 250 555 354 250",
  ],
  [`MAIL FROM:<a>\r\nRCPT TO:<${"x".repeat(899)}>\r\nRCPT TO:<${"x".repeat(900)}>\r\n`, "250 250 555"],
  ["MAIL FROM:<BAD@x>\r\nRCPT TO:<c@d>\r\nMAIL FROM:<q@BAD.dom>\r\nRCPT TO:<c@d>\r\n", "250 553 250 553"],
  ["MAIL FROM:<a>\r\nRCPT TO:<nobody@d>\r\nRCPT TO:<nobody@far>\r\n", "250 550 553"],
  ["MAIL FROM:<a>\r\nRCPT TO:<nobody@d>\r\n", "250 250", { settings: { relayClient: Buffer.of() } }],
  ["MAIL FROM:<a>\r\nRCPT TO:<c@far>\r\nDATA\r\n", "250 553 503"],
  [mail("x\r\n.\r\nQUIT\r\n"), "250 250 354 250 221"],
  [mail("x\r\n.\r\nQUIT\r\n"), "250 250 451 502 502 221", { noQueue: true }],
  [mail("x\r\n.\r\n"), "250 250 354 554", { report: "Dno (#5.7.1)" }],
  [mail("x\r\n.\r\n"), "250 250 354 451", { report: "Znot now" }],
  [mail("123\r\n.\r\n"), "250 250 354 250", { settings: { sizeLimit: 4 } }],
  [mail("1234\r\n.\r\nNOOP\r\n"), "250 250 354 552 250", { settings: { sizeLimit: 4 } }],
  [mail("1234\r\n.\r\n"), "250 250 354 552", { settings: { sizeLimit: 4 }, report: "Dno" }],
  [mail(`${"Received: x\r\n".repeat(99)}\r\nReceived: x\r\n.\r\n`), "250 250 354 250"],
  [mail(`${"Received: x\r\ndelivered\r\n".repeat(50)}.\r\n`), "250 250 354 554"],
  [mail(`${"Received: x\r\n".repeat(100)}.\r\n`), "250 250 354 554", { settings: { sizeLimit: 4 } }],
  [mail("x\r\n.\r\r\nNOOP\r\n"), "250 250 354"],
  [mail("x\r\n.\r.\r\n.\rx\r\n..\r\nNOOP\r\n"), "250 250 354"],
  [mail("x\r.\r\nNOOP\r\r\n.\r\nNOOP\r\n"), "250 250 354 250 250"],
  [mail("x\r\n.\n"), "250 250 354 451"],
  [mail("x\n.\nMAIL FROM:<evil>\r\n"), "250 250 354 451"],
  [`NOOP ${"x".repeat(100_000)}\r\nMAIL FROM:<a>${"x".repeat(100_000)}\r\nNOOP\r\n`, "250 555 250"],
];
for (const [input, expected, how] of rows) {
  const name = JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}...` : input);
  test(`${name} is answered ${expected}`, async () => {
    expect(numbers(await talk(input, how))).toBe(expected);
  });
}

const exits: readonly (readonly [string, number | undefined])[] = [
  ["QUIT\r\n", 0],
  ["NOOP\r\n", undefined],
  [mail("x\n"), 1],
  [mail("QUIT\r\n"), undefined],
];
for (const [input, code] of exits) {
  test(`after ${JSON.stringify(input)} the exit code is ${code}`, async () => {
    expect((await talk(input)).exitCode).toBe(code);
  });
}

const own: readonly (readonly [string, string])[] = [
  ["c@[127.0.0.1]", "c@here"],
  ["c@[383.0.00.257]", "c@here"],
  ["c@[IPv6:::1]", "c@here"],
  ["c@[ipv6:2001:DB8:0:0::1]", "c@here"],
  ["c@x@[0.0.0.0]", "c@x@here"],
  ["c@[192.0.2.9]", "c@[192.0.2.9]"],
  ["c@[IPv6:2001:db8::2]", "c@[IPv6:2001:db8::2]"],
  ["c@[IPv6:127.0.0.1]", "c@[IPv6:127.0.0.1]"],
  ["c@[IPv6:::1]x", "c@[IPv6:::1]x"],
  ["c@[::1]", "c@[::1]"],
  ["c@[127.0.0.1.5]", "c@[127.0.0.1.5]"],
  ["[127.0.0.1]", "[127.0.0.1]"],
];
for (const [address, expected] of own) {
  test(`<${address}> is ${expected}`, async () => {
    const { queued } = await talk(`MAIL FROM:<>\r\nRCPT TO:<${address}>\r\nDATA\r\n.\r\n`);
    expect(queued).toEqual([`F T${expected}:`]);
  });
}

test("RELAYCLIENT stands behind every recipient, and no list is asked", async () => {
  const settings = { relayClient: Buffer.from("@relay") };
  const { queued } = await talk("MAIL FROM:<>\r\nRCPT TO:<c@far>\r\nRCPT TO:<d>\r\nDATA\r\n.\r\n", {
    settings,
  });
  expect(queued).toEqual(["F Tc@far@relay Td@relay:"]);
});

test("the recipients of one message take bounded memory", async () => {
  const many = 9_000_000 / (128 + 800);
  const { replies } = await talk(`MAIL FROM:<>\r\n${`RCPT TO:<${"x".repeat(800)}>\r\n`.repeat(many)}`);
  expect(replies).toEndWith("452 too many recipients (#4.5.3)\r\n");
});

const all = new Set(["SIZE", "SMTPUTF8", "ENHANCEDSTATUSCODES"] as const);
const extended: Circumstances = { settings: { extensions: all, sizeLimit: 100 }, withReceived: true };

test("extensions are offered if they are asked for", async () => {
  const { replies } = await talk("EHLO x\r\nHELO x\r\n", extended);
  expect(replies).toBe(
    "220 mx ESMTP\r\n250-mx\r\n250-SIZE 100\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n" +
      "250-PIPELINING\r\n250 8BITMIME\r\n250 mx\r\n",
  );
});

const sizes: readonly (readonly [string, string])[] = [
  ["<a@b> SIZE=100", "250 2.1.0 ok"],
  ["<a@b> BODY=8BITMIME size=101", "552 5.3.4 sorry, that message size exceeds my databytes limit"],
  ["<a@b> SIZE=x", "250 2.1.0 ok"],
  ["<a@b SIZE=101>", "250 2.1.0 ok"],
];
for (const [argument, expected] of sizes) {
  test(`MAIL FROM:${argument} with SIZE 100 is answered ${expected}`, async () => {
    expect((await talk(`MAIL FROM:${argument}\r\n`, extended)).replies).toBe(
      `220 mx ESMTP\r\n${expected}\r\n`,
    );
  });
}

test("a message with SMTPUTF8 says so in its Received field", async () => {
  const rest = "RCPT TO:<\xc3\xa9@d>\r\nDATA\r\nx\r\n.\r\n";
  const both = await talk(`MAIL FROM:<\xc3\xa9> SMTPUTF8\r\n${rest}MAIL FROM:<a>\r\n${rest}`, extended);
  expect(both.queued.map((message) => / with (\S+);/.exec(message)?.[1])).toEqual(["UTF8SMTP", "SMTP"]);
  expect(both.queued[0]).toStartWith("F\xc3\xa9 T\xc3\xa9@d:");
});

test("enhanced codes stand behind the number of every reply but greetings and 354", async () => {
  const { replies } = await talk(
    `${mail("x\r\n.\r\n")}BOO\r\nVRFY\r\nRSET\r\nDATA\r\n${mail("x\n")}`,
    extended,
  );
  const lines = replies.split("\r\n").slice(1, -1);
  expect(lines.filter((line) => !/^(?:354|([245])\d\d \1\.\d\.\d) [^#]+$/.test(line))).toEqual([]);
  expect(lines.at(-1)).toBe("451 4.6.0 See https://cr.yp.to/docs/smtplf.html.");
});

const words: readonly (readonly [string, string])[] = [
  ["Dno (#5.7.1)", "554 5.7.1 no"],
  ["Kodd (#5.7.1)", "451 4.3.0 odd"],
  ["Zlater", "451 4.3.0 later"],
];
for (const [report, expected] of words) {
  test(`the queue's words ${report} become ${expected}`, async () => {
    const { replies } = await talk(mail(".\r\n"), { ...extended, report });
    expect(replies.split("\r\n").at(-2)).toBe(expected);
  });
}

/** Everything the recorded clients said. */
function recordedInputs(): Buffer[] {
  const lines = readFileSync(join(import.meta.dir, "../../conformance/vectors/qmail-smtpd.jsonl"), "utf8");
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { stdin?: string; stdin_b64?: string })
    .map(({ stdin = "", stdin_b64 }) =>
      stdin_b64 === undefined ? Buffer.from(stdin) : Buffer.from(stdin_b64, "base64"),
    );
}

test("recorded sessions are the same whole and in single bytes", async () => {
  const settings = { sizeLimit: 200 };
  for (const input of recordedInputs())
    expect(await talk(input, { settings, cuts: [1] })).toEqual(await talk(input, { settings }));
});

const phrases = [
  ...[
    "MAIL FROM:<a@b>\r\n",
    "RCPT TO:<c@d>\r\n",
    "RCPT TO:c@far\r\n",
    "DATA\r\n",
    "RSET\r\n",
    "QUIT\r\n",
    "EHLO x\r\n",
  ],
  ...[
    "\r\n.\r\n",
    ".\r\n",
    "\r\n",
    "\n",
    "\r",
    ".",
    "\0",
    "\n.\r\n",
    "\r\n.\n",
    "Received: x\r\n",
    "x",
    "NOOP\r\n",
  ],
];
const speech = fc
  .array(
    fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...phrases) },
      fc.string({ unit: "binary" }).map((text) => Buffer.from(text).toString("latin1")),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));
const openings = fc.constantFrom("", begin, mail(""));

test("any session is the same however it is cut, and every reply is one", async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      openings,
      speech,
      cuts,
      fc.constantFrom(0, 20),
      async (opening, text, lengths, sizeLimit) => {
        const whole = await talk(opening + text, { settings: { sizeLimit } });
        const cut = await talk(opening + text, { settings: { sizeLimit }, cuts: lengths });
        expect(cut).toEqual(whole);
        expect(whole.replies).toMatch(/^(?:[2345]\d\d[ -][ -~]*\r\n)+$/);
      },
    ),
    { numRuns: 500 },
  );
});

test("only CR LF . CR LF ends a message, and a bare line feed ends the session", async () => {
  await fc.assert(
    fc.asyncProperty(speech, async (text) => {
      const { queued, replies, exitCode } = await talk(mail(text));
      const stray = /(?<!\r)\n/.exec(text)?.index ?? Number.POSITIVE_INFINITY;
      // What precedes DATA ends with CR LF, so a dot may come first.
      const end = `\r\n${text}`.indexOf("\r\n.\r\n");
      const ends = end >= 0 && end < stray;
      if (stray < (ends ? end : Number.POSITIVE_INFINITY)) {
        expect(queued).toEqual([]);
        expect(replies).toEndWith("354 go ahead\r\n451 See https://cr.yp.to/docs/smtplf.html.\r\n");
        expect(exitCode).toBe(1);
      } else if (!ends) {
        expect(queued).toEqual([]);
        expect(replies).toEndWith("354 go ahead\r\n");
      } else {
        const lines = text.slice(0, end).split("\r\n").slice(0, -1);
        // A dot in front of a CR has always stayed.
        const expected = lines.map((line) => `${line.replace(/^\.(?!\r)/, "")}\n`).join("");
        expect(queued[0]).toBe(`Fa@b Tc@d:${expected}`);
      }
    }),
    { numRuns: 1000 },
  );
});

test("what a client stuffs with dots arrives as it was", async () => {
  const line = fc
    .string({ unit: fc.constantFrom(".", "a", "\r", "\0", "\xff") })
    .map((text) => text.replace(/\r$/, ""));
  await fc.assert(
    fc.asyncProperty(fc.array(line), async (lines) => {
      const stuffed = lines.map((text) => `${text.replace(/^\./, "..")}\r\n`).join("");
      const { queued } = await talk(mail(`${stuffed}.\r\n`));
      expect(queued).toEqual([`Fa@b Tc@d:${lines.map((text) => `${text}\n`).join("")}`]);
    }),
  );
});
