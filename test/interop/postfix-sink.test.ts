/**
 * Postfix's smtp-sink as the host that mail goes to: it takes everything, refuses, delays or hangs up, as it is told.
 * Every way to behave has a sink, a host name and a route of its own, so all of them are tried at the same time.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { type Home, makeHome, type Running, startHome, until } from "../scenarios/home.ts";
import { freePort, needing, OpenDirectory, postfixCommand, postfixTools, Server } from "./tools.ts";

setDefaultTimeout(900_000);

/** What becomes of a message at first. */
type Outcome = "arrives" | "is deferred" | "bounces";

const manners: readonly (readonly [words: string, outcome: Outcome])[] = [
  ["", "arrives"],
  ["-e", "arrives"],
  ["-8 -p -E", "arrives"],
  ["-H 2", "arrives"],
  ["-w 2", "arrives"],
  ["-W .:2", "arrives"],
  ["-f MAIL", "bounces"],
  ["-f RCPT", "bounces"],
  ["-f DATA", "bounces"],
  ["-f .", "bounces"],
  ["-f CONNECT", "is deferred"],
  ["-r CONNECT", "is deferred"],
  ["-r MAIL", "is deferred"],
  ["-r RCPT", "is deferred"],
  ["-r DATA", "is deferred"],
  ["-r .", "is deferred"],
  ["-q CONNECT", "is deferred"],
  ["-q MAIL", "is deferred"],
  ["-q RCPT", "is deferred"],
  ["-q DATA", "is deferred"],
  ["-q .", "is deferred"],
  ["-Q MAIL", "is deferred"],
  ["-Q RCPT", "is deferred"],
  ["-Q .", "is deferred"],
];

/** Messages for each of them. */
const each = 3;

const body = "\n\xe4\xf6\xfc\n.\n..dots\nend\n";

interface Case {
  words: string;
  outcome: Outcome;
  host: string;
  port: number;
  sink: Server;
}

const needs = needing("qmail-remote to Postfix's smtp-sink", postfixTools);
describe.skipIf(needs.skip)(needs.name, () => {
  let home: Home;
  let system: Running;
  const stored = new OpenDirectory();
  const cases: Case[] = [];
  const user = process.geteuid?.() === 0 ? ["-u", "nobody"] : [];

  function sink(host: string, port: number, words: string): Promise<Server> {
    const options = words === "" ? [] : words.split(" ");
    const dump = ["-d", `${stored.path}/${host}/%H%M.`];
    const command = postfixCommand(
      "smtp-sink",
      ...user,
      "-4",
      ...options,
      ...dump,
      `127.0.0.1:${port}`,
      "20",
    );
    return new Server(command).answers(port);
  }

  /** Subjects of what the sink has stored for a host; only what it has got to the end, which the next test relies on. */
  const at = (host: string) => stored.texts(host).map((text) => /^Subject: (.*)$/m.exec(text)?.[1] ?? "");
  const subjects = (host: string) => Array.from({ length: each }, (_, n) => `${n} for ${host}`);
  const bounces = (host: string) =>
    home
      .messages("ann")
      .filter((text) => text.includes(`<joe@${host}>:`) && text.includes("This is a permanent"));
  const logged = (host: string, what: string) => {
    const deliveries = [...system.log.matchAll(/starting delivery (\d+): msg \d+ to remote joe@(\S+)/g)]
      .filter(([, , name]) => name === host)
      .map(([, number]) => number);
    return deliveries.filter((number) => system.log.includes(`delivery ${number}: ${what}: `)).length;
  };

  beforeAll(async () => {
    home = await makeHome({ users: ["ann"] });
    for (const [index, [words, outcome]] of manners.entries()) {
      const [host, port] = [`sink${index}.example`, await freePort()];
      mkdirSync(`${stored.path}/${host}`);
      chmodSync(`${stored.path}/${host}`, 0o777);
      cases.push({ words, outcome, host, port, sink: await sink(host, port, words) });
    }
    const routes = cases.map(({ host, port }) => `${host}:127.0.0.1:${port}\n`);
    writeFileSync(home.at("control/smtproutes"), routes.join(""));
    system = await startHome(home);
    for (const { host } of cases)
      for (const subject of subjects(host)) {
        const message = Buffer.from(`Subject: ${subject}\n${body}`, "latin1");
        const sent = await home.inject(message, ["-fann@mail.example", `joe@${host}`]);
        if (sent.code !== 0) throw new Error(sent.stderr);
      }
  });
  afterAll(async () => {
    for (const { sink } of cases) await sink.stop();
    await system?.stop();
    home?.dispose();
    stored[Symbol.dispose]();
  });

  for (const [index, [words, outcome]] of manners.entries())
    test(`smtp-sink ${words}: mail ${outcome}`, async () => {
      const found = cases[index];
      if (found === undefined) throw new Error("no such sink");
      const { host } = found;
      const word = { arrives: "success", "is deferred": "deferral", bounces: "failure" }[outcome];
      await until(`${each} times ${word} in the log`, () => logged(host, word) === each);
      if (outcome === "bounces") await until("the bounces", () => bounces(host).length === each);
      const counts = ["success", "deferral", "failure"].map((what) => logged(host, what));
      expect(counts).toEqual(
        ["arrives", "is deferred", "bounces"].map((what) => (what === outcome ? each : 0)),
      );
      expect(bounces(host).length).toBe(outcome === "bounces" ? each : 0);
      if (outcome === "arrives") expect(at(host).sort()).toEqual(subjects(host));
    });

  test("once the sinks behave, everything deferred arrives after ALRM, once", async () => {
    const deferred = cases.filter(({ outcome }) => outcome === "is deferred");
    for (const found of deferred) {
      await found.sink.stop();
      for (const path of stored.files(found.host)) await Bun.file(path).delete();
      found.sink = await sink(found.host, found.port, "");
    }
    system.signal("SIGALRM");
    await until("an empty queue", () => home.queued().length === 0);
    for (const { host } of deferred) {
      expect(at(host).sort()).toEqual(subjects(host));
      await until("the successes in the log", () => logged(host, "success") >= each);
      expect(logged(host, "success")).toBe(each);
    }
  });

  test("what the sinks stored has every byte", () => {
    const arrived = cases.filter(({ outcome }) => outcome !== "bounces");
    for (const { host } of arrived)
      for (const text of stored.texts(host))
        expect(text.split("\n\n").slice(1).join("\n\n")).toBe(`${body.slice(1)}\n`);
  });
});
