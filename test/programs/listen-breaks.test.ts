/**
 * Clients that leave in every state of a session, with a reset or by closing their side: nothing of an unfinished message
 * is queued, a finished one once, and the server goes on as if they had never been there.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { longText, shortText, ways } from "../helpers/messages.ts";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

/** A state, what the client said before it left, and what it waited for; and how many messages it has finished. */
type State = readonly [name: string, said: string, heard: string | RegExp, finished: number];

const data = "MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n";
const message = `${data}${shortText.replaceAll("\n", "\r\n")}.\r\n`;

const smtpStates: readonly State[] = [
  ["connected", "", "", 0],
  ["greeted", "", "220 ", 0],
  ["in a command", "HEL", "220 ", 0],
  ["behind HELO", "HELO x\r\n", "250 test.example\r\n", 0],
  ["behind MAIL", "MAIL FROM:<a@b>\r\n", "250 ok", 0],
  ["behind RCPT", "MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\n", /(250 ok\r\n){2}/, 0],
  ["behind DATA", data, "354 ", 0],
  ["in a line of the message", `${data}Subject: x`, "354 ", 0],
  ["in an empty line", `${data}Subject: x\r\n\r`, "354 ", 0],
  ["behind the dot's dot", `${data}Subject: x\r\n\r\nhi\r\n.`, "354 ", 0],
  ["behind the dot's CR", `${data}Subject: x\r\n\r\nhi\r\n.\r`, "354 ", 0],
  ["in a long message", data + longText(2_000_000).replaceAll("\n", "\r\n"), "354 ", 0],
  ["behind the answer", message, "250 ok 1", 1],
  ["behind two answers", message + message, /qp \d+\r\n.*qp \d+\r\n/s, 2],
  ["in the next message", `${message}${data}half`, /354 .*354 /s, 1],
  ["behind RSET", `${message}MAIL FROM:<a@b>\r\nRSET\r\n`, "250 flushed", 1],
  ["behind QUIT", `${message}QUIT\r\n`, "221 ", 1],
];

/** The messages of QMTP and QMQP, cut off behind each kind of byte. */
function netstringStates(program: string, say: (text: string) => string): State[] {
  const [whole, long] = [say(shortText), say(longText(2_000_000))];
  const cuts: readonly [string, number][] = [
    ["connected", 0],
    ["in the first length", 1],
    ["behind the first length", whole.indexOf(":") + 1],
    ["in the text", whole.indexOf("Subject") + 9],
    ["behind the text", whole.indexOf("hi\n") + 3],
    ["behind the text's comma", whole.indexOf("hi\n") + 4],
    ["in the sender", whole.indexOf("a@b") + 1],
    ["behind the sender", whole.indexOf("a@b,") + 4],
    ["in a recipient", whole.indexOf("joe@") + 4],
    ["behind the recipient", whole.indexOf("example,") + 8],
    ["before the last comma", whole.length - 1],
  ];
  const unfinished = cuts.map(([name, end]) => [name, whole.slice(0, end), "", 0] as const);
  const finished: State[] = [["behind the answer", whole, "Kok", 1]];
  if (program === "qmail-qmtpd")
    finished.push(
      ["behind two answers", whole + whole, /Kok.*Kok/s, 2],
      ["in the next message", whole + whole.slice(0, 20), "Kok", 1],
    );
  return [...unfinished, ["in a long message", long.slice(0, 1_900_000), "", 0], ...finished];
}

const servers = ways.map((way) => ({
  ...way,
  states: way.program === "qmail-smtpd" ? smtpStates : netstringStates(way.program, way.say),
}));

describe.each(servers)("$program", ({ program, say, accepted, states }) => {
  let home: ServerHome;
  let server: Resident;
  let before: number;
  beforeAll(async () => {
    home = new ServerHome();
    server = await Resident.start(home, { program });
    // What stays is there: the thread that waits for the disk, and what the runtime loads once.
    expect(await session(server, say(shortText))).toMatch(accepted);
    expect(await session(server, say(longText(1_500_000)))).toMatch(accepted);
    home.empty();
    before = server.descriptors;
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    home[Symbol.dispose]();
  });

  beforeEach(() => home.empty());

  /** All is as it was: no descriptors, no dead children, no warnings, and whoever comes is served. */
  async function recovered(): Promise<void> {
    await until("the descriptors are closed", () => server.descriptors <= before);
    await until("the children are gone", () => server.children().length === 0);

    expect(server.log).not.toContain("warning");
    home.empty();
    expect(await session(server, say(shortText))).toMatch(accepted);
    expect(home.queued()).toHaveLength(1);
    home.empty();
  }

  test.each(states)("%s: reset", async (_, said, heard, finished) => {
    using talk = new Talk(server.port);
    if (said === "" && heard === "") await new Promise((resolve) => talk.socket.once("connect", resolve));
    talk.say(said);
    await talk.hears(heard);
    // What was not waited for is to arrive, before the reset makes the kernel forget it.
    if (heard === "") await Bun.sleep(30);
    talk.reset();
    await until("the messages are whole, or gone", () => isWhole(home));
    expect(home.queued()).toHaveLength(finished);
    await recovered();
  });

  test.each(states)("%s: no more comes", async (_, said, heard, finished) => {
    using talk = new Talk(server.port);
    talk.say(said);
    talk.socket.end();
    await talk.ended;
    if (typeof heard === "string") expect(talk.text).toContain(heard);
    else expect(talk.text).toMatch(heard);
    await until("the messages are whole, or gone", () => isWhole(home));
    expect(home.queued()).toHaveLength(finished);
    await recovered();
  });

  test("whoever leaves behind the last byte is queued once, or not at all", async () => {
    const numbers = Array.from({ length: 60 }, (_, index) => index);
    for (const number of numbers) {
      using talk = new Talk(server.port);
      await new Promise((resolve) => talk.socket.once("connect", resolve));
      talk.say(say(`${shortText}${number}\n`));
      if (number % 2 === 1) await Bun.sleep(number % 10);
      talk.reset();
    }
    // Who was there before this one has been served.
    expect(await session(server, say(`${shortText}last\n`))).toMatch(accepted);
    await until("the descriptors are closed", () => server.descriptors <= before);
    await until("the messages are whole, or gone", () => isWhole(home));
    const found = home.queued().map(({ text, envelope }) => {
      expect(envelope).toEqual(["Fa@b", "Tjoe@test.example"]);
      return /\nhi\n(\w+)\n$/.exec(text)?.[1] ?? text;
    });
    expect(found).toContain("last");
    expect([...new Set(found)]).toEqual(found);
    expect([...numbers.map(String), "last"]).toEqual(expect.arrayContaining(found));
    await recovered();
  });

  test("who leaves while the queue works is queued once", async () => {
    using home = new ServerHome(undefined, true);
    await using server = await Resident.start(home, { program });
    expect(await session(server, say(shortText))).toMatch(accepted);
    home.empty();
    const [partner] = server.childPids();
    if (partner === undefined) throw new Error("no queue program");
    for (const reset of [true, false]) {
      process.kill(partner, "SIGSTOP");
      using talk = new Talk(server.port);
      talk.say(say(shortText));
      await Bun.sleep(100);
      if (reset) talk.reset();
      else talk.socket.end();
      await Bun.sleep(100);
      process.kill(partner, "SIGCONT");
      if (!reset) await talk.ended;
      await until("it is queued", () => isWhole(home, 1));
      expect(home.queued()).toHaveLength(1);
      expect(server.childPids()).toEqual([partner]);
      expect(server.log).not.toContain("warning");
      home.empty();
    }
  });
});

/** Whether no message is there in part, and at least so many whole ones; in one look, as one may come at any moment. */
function isWhole(home: ServerHome, least = 0): boolean {
  try {
    return home.queued().length >= least;
  } catch {
    return false;
  }
}
