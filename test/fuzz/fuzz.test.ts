/** A little of what `npm run fuzz` does for as long as one likes: every engine, with a fixed seed. */
import { expect, test } from "bun:test";
import { mail, netstring } from "../core/wire/intake.ts";
import { talk } from "../core/wire/session.ts";
import { patience } from "../helpers/patience.ts";
import { type Engine, fuzz, problemOf } from "./engine.ts";
import { engines } from "./engines.ts";
import { bound, floods, heldBy } from "./floods.ts";
import { arrivalOf, forwarded } from "./servers.ts";

for (const engine of engines) {
  test(`${engine.name}: nothing found in half a second`, async () => {
    const { finding, executions } = await fuzz(engine, 1998, 0.5, 50);
    expect(finding).toBeUndefined();
    expect(executions).toBeGreaterThan(50);
  });
}

for (const [name, start, first, again] of floods) {
  test(`${name}: memory is bounded`, async () => {
    expect(await heldBy(start, first, again, 1 << 20)).toBeLessThan(bound);
  });
}

const named = (name: string): Engine => {
  const found = engines.find((engine) => engine.name === name);
  if (found === undefined) throw new Error(`no engine ${name}`);
  return found;
};

/** An engine with a mistake, and what is said of it. */
const mistakes: readonly (readonly [string, Partial<Engine>, RegExp])[] = [
  [
    "throws",
    { run: (input) => JSON.parse(input.includes("\0") ? "" : '{"output":"","effects":[],"kind":""}') },
    /^throws/,
  ],
  [
    "depends on the cut",
    { run: (_, cuts) => ({ output: String(cuts.length), effects: [], kind: "" }) },
    /^cut into/,
  ],
  [
    "answers too early",
    { run: (input) => ({ output: input.length > 9 ? "b" : "a", effects: [], kind: "" }) },
    /^the first \d+ bytes alone/,
  ],
  ["fails its check", { check: (input) => (input.includes("\r.\r") ? "wrong" : undefined) }, /^wrong$/],
];
for (const [name, mistake, words] of mistakes) {
  test(`an engine that ${name} is found out`, async () => {
    const { finding } = await fuzz({ ...named("pop3-login"), ...mistake }, 7, patience);
    expect(finding?.problem).toMatch(words);
    expect(await problemOf({ ...named("pop3-login"), ...mistake }, finding?.input ?? "")).toMatch(words);
  });
}

test("a finding is as short as it can be", async () => {
  const check = (input: string) => (input.includes("\r.\r") ? "wrong" : undefined);
  const { finding } = await fuzz({ ...named("pop3-login"), check }, 7, patience);
  expect(finding?.input).toBe("\r.\r");
});

const arrivals: readonly (readonly [string, string])[] = [
  ["x\n.\n..\n\n", "x\n.\n..\n\n"],
  ["a\rb\n", "a\nb\n"],
  ["a\r\rb\n", "a\n\rb\n"],
  ["a\r\n\0\n", "a\n\0\n"],
  ["\r\r\n", "\n\r\n"],
];
for (const [text, arrival] of arrivals) {
  test(`${JSON.stringify(text)}, sent on, arrives as ${JSON.stringify(arrival)}`, async () => {
    expect(await forwarded(text)).toEqual([`Fa Tb:${arrival}`]);
    expect(arrivalOf(text)).toBe(arrival);
  });
}

test("CR dot goes out as recorded (qmail-remote-0350): the one way to end a message early", async () => {
  expect(arrivalOf("a\r.\nMAIL FROM:<e>\n")).toBeUndefined();
  expect(await forwarded("a\r.\nb\n")).toEqual(["Fa Tb:a\n"]);
});

const stray: readonly string[] = ["\n.\n", "\n.\r\n", "\r\n.\n"];
for (const end of stray) {
  test(`${JSON.stringify(end)} in DATA ends the session, and nothing is queued`, async () => {
    const { queued, exitCode, replies } = await talk(
      `MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nx${end}MAIL FROM:<e>\r\n`,
    );
    expect([queued, exitCode]).toEqual([[], 1]);
    expect(replies).toEndWith("354 go ahead\r\n451 See https://cr.yp.to/docs/smtplf.html.\r\n");
  });
}

test("the sessions of QMTP and QMQP that mutations begin with are understood", async () => {
  const qmtp = await named("qmtp-server").run(mail("\nx", "a", ["b"]), [1]);
  expect(qmtp.effects).toEqual(["Fa Tb:\0x"]);
  const qmqp = await named("qmqp-server").run(
    netstring(netstring("x") + netstring("a") + netstring("b")),
    [1],
  );
  expect(qmqp.effects).toEqual(["Fa Tb:\0x", "exit 0"]);
});
