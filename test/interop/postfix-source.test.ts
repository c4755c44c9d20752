/** Postfix's load generators as the clients of the servers: nothing is lost, nothing comes twice. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { type Home, makeHome, type Running, startHome, until } from "../scenarios/home.ts";
import {
  arrived,
  asSent,
  needing,
  postfixCommand,
  postfixTools,
  serve,
  succeed,
  type ways,
} from "./tools.ts";

setDefaultTimeout(900_000);

const loads = [
  { program: "qmail-smtpd", source: "smtp-source", way: "--listen", sessions: 20, messages: 2000 },
  { program: "qmail-smtpd", source: "smtp-source", way: "tcpserver", sessions: 20, messages: 200 },
  { program: "qmail-qmqpd", source: "qmqp-source", way: "--listen", sessions: 20, messages: 400 },
  { program: "qmail-qmqpd", source: "qmqp-source", way: "tcpserver", sessions: 20, messages: 200 },
] as const satisfies readonly { way: (typeof ways)[number]; [key: string]: unknown }[];

/** How often the log has a line with these words. */
const count = (log: string, words: string) => log.split(words).length - 1;

const needs = needing("Postfix's sources", postfixTools, "tcpserver");
describe.skipIf(needs.skip)(needs.name, () => {
  let home: Home;
  let system: Running;
  beforeAll(async () => {
    home = await makeHome({ users: ["ann"] });
    system = await startHome(home);
  });
  afterAll(async () => {
    await system?.stop();
    home?.dispose();
  });

  for (const { program, source, way, sessions, messages } of loads)
    test(`${source}, ${sessions} sessions, into ${program} (${way}): ${messages} of ${messages} are delivered`, async () => {
      for (const path of home.maildir("ann")) rmSync(path);
      const before = system.log.length;
      const server = await serve(home, way, program);
      try {
        const numbers = ["-4", "-s", `${sessions}`, "-m", `${messages}`, "-l", "3000"];
        const envelope = ["-f", "bob@test.example", "-t", "ann@mail.example"];
        await succeed(postfixCommand(source, ...numbers, ...envelope, `127.0.0.1:${server.port}`));
        const got = await arrived(home, "ann", messages);
        // The queue may be empty a moment before the last lines have been read.
        await until(
          "the end of each in the log",
          () => count(system.log.slice(before), "end msg ") >= messages,
        );
        const log = system.log.slice(before);
        const logged = [count(log, "new msg "), count(log, ": success: "), count(log, "end msg ")];
        expect([got.length, ...logged]).toEqual([messages, messages, messages, messages]);
        // qmqp-source sends the same again and again, smtp-source numbers what it sends.
        const ids = new Set(got.map((message) => /^Message-Id: (.*)$/m.exec(message)?.[1]));
        expect(ids.size).toBe(source === "smtp-source" ? messages : 1);
        const bodies = new Set(got.map((message) => asSent(message).split("\n\n").slice(1).join("\n\n")));
        expect(bodies.size).toBe(1);
        expect([...bodies][0]?.length).toBeGreaterThan(2000);
      } finally {
        await server.stop();
      }
    });
});
