/** The quick form of connections.ts; and more clients than there are descriptors, or than the limits allow. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { shortText, ways } from "../helpers/messages.ts";
import { Resident, ServerHome, until } from "../helpers/server.ts";
import { session, Talk } from "../helpers/talk.ts";
import { connections } from "./connections.ts";

setDefaultTimeout(900_000);

test("1,000 connections in turn: memory and descriptors stay, every message is queued", async () => {
  const { readings, accepted, queued, wrong, log } = await connections(1000, 5);
  const [first, ...others] = readings;
  console.log(readings.map(({ memory, descriptors }) => `${memory} kB ${descriptors}`).join(", "));
  expect([accepted, queued, wrong]).toEqual([100, 100, []]);
  expect(others.length).toBe(4);
  for (const { descriptors, children, memory } of others) {
    expect([descriptors, children]).toEqual([first?.descriptors, []] as never);
    // 800 more connections; whatever each left behind would show.
    expect(memory - (first?.memory ?? 0)).toBeLessThan(30_000);
  }
  expect(log).not.toContain("warning");
});

const refusals: Readonly<Record<string, string>> = {
  "qmail-smtpd": "421 too many connections, try again later (#4.3.2)\r\n",
  "qmail-qmtpd": "",
  "qmail-qmqpd": "",
};

test.each(ways)(
  "$program: few descriptors: it goes on, and serves everybody afterwards",
  async ({ program, say, accepted }) => {
    using home = new ServerHome();
    const through = ["/bin/sh", "-c", 'ulimit -n 70; exec "$@"', "sh"];
    await using server = await Resident.start(home, { program, through });
    expect(await session(server, say(shortText))).toMatch(accepted);
    const before = server.descriptors;
    const halfway = say(shortText).slice(0, -20);
    const talks = Array.from({ length: 200 }, () => {
      const talk = new Talk(server.port);
      talk.say(halfway);
      return talk;
    });
    await until("those beyond are sent away", () => talks.filter(({ over }) => over).length >= 185);
    const within = talks.filter(({ over }) => !over);
    expect(within.length).toBeGreaterThan(0);
    for (const { over, text } of talks) if (over) expect(text).toBe(refusals[program] ?? "?");
    for (const talk of within) talk.say(say(shortText).slice(-20));
    await Promise.all(within.map((talk) => talk.hears(/ok \d+ qp \d+/)));
    for (const talk of talks) talk.socket.destroy();
    await until("all are gone", () => server.descriptors <= before);
    for (let count = 0; count < 20; count++) expect(await session(server, say(shortText))).toMatch(accepted);
    expect(home.queued()).toHaveLength(21 + within.length);
    expect(server.children()).toEqual([]);
  },
);

test("few descriptors and queue programs of its own: what does not go is refused for now, nothing is lost", async () => {
  using home = new ServerHome();
  const through = ["/bin/sh", "-c", 'ulimit -n 60; exec "$@"', "sh"];
  const [smtp] = ways;
  if (smtp === undefined) throw new Error("no SMTP");
  const queue = home.write("program", `#!/bin/sh\nexec '${home.in("bin/qmail-queue")}'\n`, 0o755);
  await using server = await Resident.start(home, { through, env: { QMAILQUEUE: queue } });
  const before = server.descriptors;
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => session(server, smtp.say(shortText)).catch(String)),
  );
  const kept = answers.filter((answer) => smtp.accepted.test(answer)).length;
  for (const answer of answers)
    expect(answer).toMatch(/250 ok \d+ qp|^421 |451 qq|451 .*4\.3\.0|ECONNRESET|^220 .*\r\n$/);
  expect(home.queued()).toHaveLength(kept);
  await until("all are gone", () => server.descriptors <= before);
  expect(await session(server, smtp.say(shortText))).toMatch(smtp.accepted);
  expect(server.children()).toEqual([]);
});

test("limits in all and for each address, by every way in", async () => {
  using home = new ServerHome();
  const options = ["--connections", "4", "--per-client", "3"];
  const listen = ["127.0.0.1:0", "127.0.0.1:0"];
  await using server = await Resident.start(home, { options, listen });
  const before = server.descriptors;
  const refusal = refusals["qmail-smtpd"] ?? "";
  const [first = 0, second = 0] = server.ports;
  const connect = async (port: number, from: string, heard: string): Promise<Talk> => {
    const talk = new Talk(port, "127.0.0.1", from);
    await talk.hears(heard);
    if (heard === refusal) talk.socket.destroy();
    return talk;
  };
  const one = "127.0.0.1";
  const other = "127.0.0.9";
  const inside = [
    await connect(first, one, "220"),
    await connect(second, one, "220"),
    await connect(first, one, "220"),
  ];
  for (const port of server.ports) await connect(port, one, refusal);
  inside.push(await connect(second, other, "220"));
  for (const port of server.ports) await connect(port, other, refusal);
  inside.pop()?.reset();
  await until("its place is free", () => server.descriptors === before + 3);
  // The place is free for the other address, not for the one that has its three.
  await connect(first, one, refusal);
  inside.push(await connect(first, other, "220"));
  inside.shift()?.reset();
  await until("its place is free", () => server.descriptors === before + 3);
  inside.push(await connect(second, one, "220"));
  await connect(first, other, refusal);
  for (const talk of inside) talk.socket.destroy();
  await until("all are gone", () => server.descriptors === before);
});
