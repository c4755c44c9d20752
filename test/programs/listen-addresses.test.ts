/** Servers that stay on IPv6 and on several addresses at once: who connects, and what the rules say of them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { netstring } from "../../src/core/wire/netstring.ts";
import { Resident, ServerHome, type Start, until } from "../helpers/server.ts";
import { session, steady, Talk } from "../helpers/talk.ts";

setDefaultTimeout(900_000);

const file = "/proc/net/if_inet6";
const ipv6 = existsSync(file) && readFileSync(file, "latin1").includes(" lo\n");
const needs = ipv6 ? "" : " (needs ::1)";

const mail = [netstring("a@b"), netstring("joe@test.example")].map(String) as [string, string];
const text = "Subject: x\n\n";

/** A checker and a mailbox in one, which says who it was told the client is. */
const mailbox = `#!/bin/sh
cat <&3 >/dev/null
printf '+OK %s to %s by %s %s\\r\\n' "$TCPREMOTEIP" "$TCPLOCALIP" "$PROTO" "$TCPREMOTEINFO"
test "$TCPREMOTEPORT" -gt 0 && test "$TCPLOCALPORT" -gt 0 || printf 'no ports'
`;

/** What a client says and all it hears; USER, FROM and TO are filled in. `received`: how its message begins in the queue. */
interface Row {
  program: string;
  input: string;
  heard: string;
  received?: string;
}
const rows: readonly Row[] = [
  {
    program: "qmail-smtpd",
    input:
      "HELO here\r\nMAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n",
    heard:
      "220 test.example ESMTP\r\n250 test.example\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 ok N qp P\r\n221 test.example\r\n",
    received: "Received: from unknown (HELO here) (USERFROM)\n  by TO with SMTP; ",
  },
  {
    program: "qmail-qmtpd",
    input: [netstring(`\n${text}`), mail[0], netstring(mail[1])].join(""),
    heard: "LENGTH:Kok N qp P,",
    received: "Received: from unknown (USERFROM)\n  by TO with QMTP; ",
  },
  {
    program: "qmail-qmqpd",
    input: netstring([netstring(text), ...mail].join("")).toString(),
    heard: "LENGTH:Kok N qp P,",
    received: "Received: from unknown (USERFROM)\n  by TO with QMQP; ",
  },
  {
    program: "qmail-popup",
    input: "USER joe\r\nPASS x\r\n",
    heard: "+OK <STAMP@pop>\r\n+OK \r\n+OK FROM to TO by TCP USER\r\n",
  },
];

interface Place {
  port: number;
  host: string;
}

/** Where a connection to a place comes from. */
const from = (host: string): string => (host.includes(":") ? host : "127.0.0.1");

describe.each(rows)("$program", ({ program, input, heard, received }) => {
  let home: ServerHome;
  let how: Start;
  beforeAll(() => {
    home = new ServerHome();
    const words = program === "qmail-popup" ? ["pop", home.write("mailbox", mailbox, 0o755)] : [];
    how = { program, words };
  });
  afterAll(() => home[Symbol.dispose]());

  const fill = (pattern: string, { host }: Place, user: string): string =>
    pattern.replace("FROM", from(host)).replace("TO", host).replace("USER", user);

  /** Holds sessions with all places at once; what is said and queued must be about each of them. `user`: set by a rule. */
  async function speaks(places: readonly Place[], user = ""): Promise<void> {
    const answers = await Promise.all(places.map((place) => session(place, input)));
    expect(answers.map((answer) => steady(answer).replace(/^\d+:K/, "LENGTH:K"))).toEqual(
      places.map((place) => fill(heard, place, user)),
    );
    const queued = home.queued();
    home.empty();
    if (received === undefined) return;
    const field = (place: Place): string => fill(received, place, user === "" ? "" : `${user}@`);
    expect(queued.map((message) => message.text.slice(0, message.text.indexOf(";") + 2)).sort()).toEqual(
      places.map(field).sort(),
    );
    for (const message of queued) expect(message.envelope).toEqual(["Fa@b", "Tjoe@test.example"]);
  }

  test.skipIf(!ipv6)(`two addresses of IPv4 and one of IPv6, at once${needs}`, async () => {
    const hosts = ["127.0.0.1", "::1", "127.0.0.2"];
    const listen = hosts.map((host) => `${host.includes(":") ? `[${host}]` : host}:0`);
    await using server = await Resident.start(home, { ...how, listen });
    expect([...server.log.matchAll(/listening on \S+:/g)].map(([place]) => place)).toEqual(
      listen.map((place) => `listening on ${place.slice(0, -1)}`),
    );
    const places = hosts.map((host, index) => ({ host, port: server.ports[index] ?? 0 }));
    await speaks([...places, ...places, ...places]);
    expect(await server.stop()).toBe(0);
  });

  test.skipIf(!ipv6)(`rules for IPv6 addresses, whole and by their beginning${needs}`, async () => {
    const rules = (lines: string): Promise<string[]> => home.rules(lines);
    const one = `::1:allow,TCPREMOTEINFO="whole"\n`;
    const beginning = `::allow,TCPREMOTEINFO="beginning"\n`;
    const options = await rules(`127.:deny\n${one}${beginning}`);
    await using server = await Resident.start(home, { ...how, options, listen: ["[::1]:0", "127.0.0.1:0"] });
    const six = { host: "::1", port: server.ports[0] ?? 0 };
    const four = { host: "127.0.0.1", port: server.ports[1] ?? 0 };
    await speaks([six], "whole");
    expect(await session(four, input)).toBe("");
    await rules(`${beginning}:deny\n`);
    await speaks([six], "beginning");
    expect(await session(four, input)).toBe("");
    await rules("::1:deny\n:allow\n");
    await speaks([four]);
    expect(await session(six, input)).toBe("");
    expect(home.queued()).toEqual([]);
    expect(server.log).not.toContain("warning");
  });

  test.skipIf(!ipv6)(`each address counts for itself among the limits${needs}`, async () => {
    const options = ["--per-client", "1"];
    await using server = await Resident.start(home, { ...how, options, listen: ["[::1]:0", "127.0.0.1:0"] });
    const [six = 0, four = 0] = server.ports;
    await speaks([
      { host: "::1", port: six },
      { host: "127.0.0.1", port: four },
    ]);
  });
});

test.skipIf(!ipv6)(
  `listening on all addresses, our end is the one that the client asked for${needs}`,
  async () => {
    using home = new ServerHome();
    await using server = await Resident.start(home, { listen: ["0.0.0.0:0", "[::]:0"] });
    expect(server.log).toMatch(/listening on 0\.0\.0\.0:\d+\n.*listening on \[::\]:\d+\n/);
    const message = "MAIL FROM:<a@b>\r\nRCPT TO:<joe@test.example>\r\nDATA\r\n\r\n.\r\nQUIT\r\n";
    for (const [index, host] of [
      [0, "127.0.0.1"],
      [0, "127.0.0.3"],
      [1, "::1"],
    ] as const) {
      await session({ host, port: server.ports[index] ?? 0 }, message);
      expect(home.queued().map(({ text }) => /by (\S+) with/.exec(text)?.[1])).toEqual([host]);
      home.empty();
    }
  },
);

test("no more than --backlog clients wait to be taken in", async () => {
  using home = new ServerHome();
  await using server = await Resident.start(home, { options: ["--backlog", "3"] });
  server.signal("SIGSTOP");
  const talks = Array.from({ length: 30 }, () => new Talk(server.port));
  let connected = 0;
  for (const { socket } of talks) socket.on("connect", () => connected++);
  await until("the backlog is full", () => connected >= 4);
  await Bun.sleep(500);
  expect(connected).toBe(4); // The kernel lets one more in than it is told.
  server.signal("SIGCONT");
  await until("those are greeted", () => talks.filter(({ text }) => text.startsWith("220")).length >= 4);
  for (const { socket } of talks) socket.destroy();
});
