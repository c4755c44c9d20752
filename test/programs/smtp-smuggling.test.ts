/**
 * What looks like the end of a message, or of a command, and is none: exactly what is queued and what is heard, the same
 * one-shot, under tcpserver and from a server that stays, whole and in single bytes. Every row was also run with the
 * original, which queues and says the same.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bin, run } from "../helpers/built.ts";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { session, steady } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

/** A message as the queue program got it: its text behind the Received field, and its envelope. */
type Message = readonly [text: string, envelope: string];

interface Row {
  name: string;
  said: string;
  /** What is heard behind the greeting. */
  heard: string;
  queued: readonly Message[];
}

const begin = "MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n";
const begun = "250 ok\r\n250 ok\r\n354 go ahead\r\n";
const accepted = "250 ok N qp P\r\n";
const bye = "221 test.example\r\n";
const strayLineFeed = "451 See https://cr.yp.to/docs/smtplf.html.\r\n";
const unimplemented = "502 unimplemented (#5.5.1)\r\n";
const own = "Fa@b\0Tjoe@test.example\0\0";
const evil = "Fevil@b\0Tjoe@test.example\0\0";

/** What is to be smuggled: a transaction of its own, with the real end of the message. */
const smuggled = "MAIL FROM:<evil@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\nevil\r\n.\r\n";
/** The same as text. */
const asText = "MAIL FROM:<evil@b>\nRCPT TO:<joe@test.example>\nDATA\nevil\n";

/** A false end that ends the session, before anything is queued. */
const refused = (name: string, end: string): Row => ({
  name: `${name}: refused`,
  said: `${begin}one${end}${smuggled}QUIT\r\n`,
  heard: begun + strayLineFeed,
  queued: [],
});

/** A false end that is text; `text`: what becomes of it. */
const harmless = (name: string, end: string, text: string): Row => ({
  name: `${name}: text`,
  said: `${begin}one${end}${smuggled}QUIT\r\n`,
  heard: begun + accepted + bye,
  queued: [[`one${text}${asText}`, own]],
});

/** A real end: what follows are commands. */
const real = (name: string, end: string, text: string): Row => ({
  name: `${name}: the end`,
  said: `${begin}one${end}${smuggled}QUIT\r\n`,
  heard: begun + accepted + begun + accepted + bye,
  queued: [
    [`one${text}`, own],
    ["evil\n", evil],
  ],
});

const ends: readonly Row[] = [
  real("CR LF . CR LF", "\r\n.\r\n", "\n"),
  real("CR CR LF . CR LF", "\r\r\n.\r\n", "\r\n"),
  refused("LF . CR LF", "\n.\r\n"),
  refused("LF . LF", "\n.\n"),
  refused("CR LF . LF", "\r\n.\n"),
  refused("CR . LF", "\r.\n"),
  refused("LF LF . LF LF", "\n\n.\n\n"),
  refused("LF CR . CR LF", "\n\r.\r\n"),
  refused("CR LF . LF CR LF", "\r\n.\n\r\n"),
  refused("CR LF LF . CR LF", "\r\n\n.\r\n"),
  refused("CR LF . CR CR LF LF", "\r\n.\r\r\n\n"),
  refused("CR LF NUL . LF", "\r\n\0.\n"),
  refused("CR LF . CR NUL LF", "\r\n.\r\0\n"),
  harmless("CR . CR LF", "\r.\r\n", "\r.\n"),
  harmless("CR . CR", "\r.\r", "\r.\r"),
  harmless("CR LF . CR", "\r\n.\r", "\n.\r"),
  harmless("CR LF CR . CR LF", "\r\n\r.\r\n", "\n\r.\n"),
  harmless("CR LF . CR CR LF", "\r\n.\r\r\n", "\n.\r\n"),
  harmless("CR LF NUL . CR LF", "\r\n\0.\r\n", "\n\0.\n"),
  harmless("CR LF . NUL CR LF", "\r\n.\0\r\n", "\n\0\n"),
  harmless("CR LF . space CR LF", "\r\n. \r\n", "\n \n"),
  harmless("CR LF space . CR LF", "\r\n .\r\n", "\n .\n"),
  harmless("CR LF . . CR LF", "\r\n..\r\n", "\n.\n"),
  harmless("CR NUL . CR LF", "\r\0.\r\n", "\r\0.\n"),
  harmless("CR LF NEL . CR LF", "\r\n\x85.\r\n", "\n\x85.\n"),
  harmless("CR LF VT . CR LF", "\r\n\v.\r\n", "\n\v.\n"),
];

const message = (text: string): string => `${text}\r\n.\r\n`;
const long = 200_000;

const others: readonly Row[] = [
  {
    name: "commands behind the dot begin another message",
    said: `${begin}${message("one")}${begin.replace("a@b", "c@d")}${message("two")}RSET\r\nQUIT\r\n`,
    heard: `${begun}${accepted}${begun}${accepted}250 flushed\r\n${bye}`,
    queued: [
      ["one\n", own],
      ["two\n", own.replace("a@b", "c@d")],
    ],
  },
  {
    name: "the envelope is used up by its message",
    said: `${begin}${message("one")}DATA\r\n${message("two")}QUIT\r\n`,
    heard: `${begun}${accepted}503 MAIL first (#5.5.1)\r\n${unimplemented}${unimplemented}${bye}`,
    queued: [["one\n", own]],
  },
  {
    name: "a message behind a refused DATA is commands",
    said: `MAIL FROM:<a@b>\r\nRCPT TO:<x@elsewhere>\r\nDATA\r\n${message("one")}QUIT\r\n`,
    heard: `250 ok\r\n553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n503 RCPT first (#5.5.1)\r\n${unimplemented}${unimplemented}${bye}`,
    queued: [],
  },
  {
    name: "bare CRs are text",
    said: `${begin}a\rb\r\rc\r\n\rd\r\r\n.\r\nQUIT\r\n`,
    heard: begun + accepted + bye,
    queued: [["a\rb\r\rc\n\rd\r\n", own]],
  },
  {
    name: "a bare LF in the header",
    said: `${begin}Subject: x\nBcc: y\r\n\r\n.\r\nQUIT\r\n`,
    heard: begun + strayLineFeed,
    queued: [],
  },
  {
    name: "a bare LF as the first byte",
    said: `${begin}\n.\r\nQUIT\r\n`,
    heard: begun + strayLineFeed,
    queued: [],
  },
  {
    name: "a dot as the first line",
    said: `${begin}.\r\nQUIT\r\n`,
    heard: begun + accepted + bye,
    queued: [["", own]],
  },
  {
    name: "NULs are text",
    said: `${begin}\0a\0\r\n\0\r\n\0\r\n.\r\nQUIT\r\n`,
    heard: begun + accepted + bye,
    queued: [["\0a\0\n\0\n\0\n", own]],
  },
  {
    name: "an overlong line of text",
    said: `${begin}${message("x".repeat(long))}QUIT\r\n`,
    heard: begun + accepted + bye,
    queued: [[`${"x".repeat(long)}\n`, own]],
  },
  {
    name: "an overlong line of dots",
    said: `${begin}${message(".".repeat(long))}QUIT\r\n`,
    heard: begun + accepted + bye,
    queued: [[`${".".repeat(long - 1)}\n`, own]],
  },
  {
    name: "an overlong command",
    said: `NOOP ${"x".repeat(long)}\r\n${"y".repeat(long)}\r\nQUIT\r\n`,
    heard: `250 ok\r\n${unimplemented}${bye}`,
    queued: [],
  },
  {
    name: "an overlong sender and recipient",
    said: `MAIL FROM:<${"a".repeat(long)}@b>\r\nMAIL FROM:<a@b>\r\nRCPT TO:<${"j".repeat(long)}@test.example>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n${message("one")}QUIT\r\n`,
    heard: `555 syntax error (#5.5.4)\r\n250 ok\r\n555 syntax error (#5.5.4)\r\n250 ok\r\n354 go ahead\r\n${accepted}${bye}`,
    queued: [["one\n", own]],
  },
  {
    name: "what follows a NUL in a command does not count",
    said: `MAIL FROM:<a@b>\0<x@y>\r\nRCPT TO:<joe@test.example\0@elsewhere>\r\nDATA\0DATA\r\n${message("one")}QUIT\0NOOP\r\nNOOP\r\n`,
    heard: begun + accepted + bye,
    queued: [["one\n", own]],
  },
  {
    name: "a NUL in a verb ends it",
    said: `NO\0OP\r\n\0NOOP\r\nNOOP\0x\r\nQUIT\r\n`,
    heard: `${unimplemented}${unimplemented}250 ok\r\n${bye}`,
    queued: [],
  },
  {
    name: "a bare CR ends no command",
    said: `NOOP\rQUIT\r\nMAIL FROM:<a@b>\rRCPT TO:<joe@test.example>\r\nDATA\r\nDATA\rx\r\nQUIT\r\n`,
    heard: `${unimplemented}250 ok\r\n503 RCPT first (#5.5.1)\r\n${unimplemented}${bye}`,
    queued: [],
  },
  {
    name: "commands that end with LF alone",
    said: `${begin.replaceAll("\r", "")}${message("one")}QUIT\n`,
    heard: begun + accepted + bye,
    queued: [["one\n", own]],
  },
];

const rows = [...ends, ...others];
const hasTcpserver = Bun.which("tcpserver") !== null;

describe("qmail-smtpd and what looks like an end", () => {
  let home: ServerHome;
  let environment: Record<string, string>;
  beforeAll(() => {
    home = new ServerHome();
    mkdirSync(home.in("kept"));
    // Each message in a file of its own, in the order of time, with the envelope behind it.
    const file = `'${home.in("kept")}'/$(date +%s%N)-$$`;
    const script = `#!/bin/sh\nexec 3<&1\n{ cat; printf '\\377'; cat <&3; } >${file}\n`;
    environment = { QMAILHOME: home.path, QMAILQUEUE: home.write("keep", script, 0o755) };
  });
  afterAll(() => home[Symbol.dispose]());

  function kept(): Message[] {
    const names = readdirSync(home.in("kept")).sort();
    return names.flatMap((name) => {
      const content = readFileSync(home.in("kept", name), "latin1");
      rmSync(home.in("kept", name));
      const [text = "", envelope = ""] = content.split("\xff");
      if (!envelope.endsWith("\0\0")) return []; // It was given up.
      return [
        [text.replace(/^Received: from \S+ \(\S+\)\n {2}by \S+ with SMTP; .*\n/, ""), envelope] as const,
      ];
    });
  }

  /** `say` holds the session and returns all that is heard. */
  async function check(say: (said: string) => Promise<string>, { said, heard, queued }: Row): Promise<void> {
    expect(steady(await say(said))).toBe(`220 test.example ESMTP\r\n${heard}`);
    expect(kept()).toEqual([...queued] as Message[]);
  }

  test.each(rows)("one-shot: $name", (row) =>
    check(async (said) => {
      const env = { ...environment, TCPREMOTEIP: "127.0.0.1" };
      return (await run("qmail-smtpd", { stdin: Buffer.from(said, "latin1"), env })).stdout;
    }, row),
  );

  describe.skipIf(!hasTcpserver)(`under tcpserver${hasTcpserver ? "" : " (needs tcpserver)"}`, () => {
    let child: Bun.Subprocess<"ignore", "ignore", "pipe">;
    let port = 0;
    beforeAll(async () => {
      const words = ["tcpserver", "-1RHl0", "127.0.0.1", "0", join(bin, "qmail-smtpd")];
      child = Bun.spawn(words, {
        stdio: ["ignore", "pipe", "inherit"] as never,
        env: { PATH: "/usr/bin:/bin", ...environment },
      });
      const reader = (child.stdout as unknown as ReadableStream<Uint8Array>).getReader();
      port = Number(Buffer.from((await reader.read()).value ?? []).toString());
      expect(port).toBeGreaterThan(0);
    });
    afterAll(() => child.kill());
    test.each(rows)("whole: $name", (row) => check((said) => session({ port }, said), row));
    test.each(rows)("bytes: $name", (row) => check((said) => session({ port, single: true }, said), row));
  });

  describe("from a server that stays", () => {
    let server: Resident;
    beforeAll(async () => {
      server = await Resident.start(home, { env: environment });
    });
    afterAll(async () => {
      expect(server.log).not.toContain("warning");
      await server[Symbol.asyncDispose]();
    });
    test.each(rows)("whole: $name", (row) => check((said) => session(server, said), row));
    test.each(rows)("bytes: $name", (row) =>
      check((said) => session({ port: server.port, single: true }, said), row),
    );
  });

  test("and through its own way into the queue, all at once", async () => {
    await using server = await Resident.start(home);
    const sessions = rows.map(({ said }) => session(server, said));
    const heard = (await Promise.all(sessions)).map(steady);
    expect(heard).toEqual(rows.map((row) => `220 test.example ESMTP\r\n${row.heard}`));
    const found = home.queued().map(({ text, envelope }) => {
      const own = text.replace(/^Received: from \S+ \(\S+\)\n {2}by \S+ with SMTP; .*\n/, "");
      return `${envelope.join(" ")} ${own}`;
    });
    const wanted = rows.flatMap(({ queued }) =>
      queued.map(([text, envelope]) => `${envelope.split("\0").slice(0, -2).join(" ")} ${text}`),
    );
    expect(found.sort()).toEqual(wanted.sort());
    await until("the connections are closed", () => server.children().length === 0);
  });
});
