/** Servers that stay, under a fault: one session, then they are told to end. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { Group } from "../helpers/home.ts";
import { separateQueueProgram } from "../helpers/queue-program.ts";
import { type Bench, type Run, sender } from "./bench.ts";
import { exchange, protocols, said, taken } from "./clients.ts";
import { detached } from "./daemons.ts";
import { portIn } from "./load.ts";
import { becameOf, fillBox, judgeBox, popSession } from "./pop.ts";
import type { Subject } from "./subject.ts";

/** Seconds that a session, and the end, may take. */
const farewell = 15;

const listen = ["--listen", "127.0.0.1:0"];

/** Starts a server, holds a session with it, and ends it. */
async function serve(
  bench: Bench,
  through: readonly string[],
  words: readonly [string, ...string[]],
  hold: (port: number) => Promise<Partial<Run>>,
): Promise<Run> {
  const path = bench.beside("server.log");
  const log = openSync(path, "w");
  const [program, ...more] = words;
  const command = [bench.program(program), ...listen, ...more];
  const group = new Group([...detached(through), ...command], bench.environment, log);
  closeSync(log);
  const port = await portIn(path, () => group.processes().length === 0);
  const held = port === undefined ? {} : await hold(port);
  group.signal("SIGTERM");
  const end = await Promise.race([group.ended(), Bun.sleep(farewell * 1000).then(() => "hung" as const)]);
  await group.kill();
  return { end, complaints: [], ...held };
}

const unanswered = { complaints: ["the client got no answer"] };

/** `follow`: its qmail-queue --resident has the fault, too. */
const taker = (protocol: (typeof protocols)[number], follow: boolean): Subject => ({
  name: `qmail-${protocol}d --listen${follow ? " with qmail-queue --resident" : ""}`,
  follow,
  ends: [0, 111],
  settlesLater: true,
  run: async (bench, through) => {
    if (follow) separateQueueProgram(bench.program("qmail-queue"));
    const { number, text, to } = bench.message("mailbox");
    return await serve(bench, through, [`qmail-${protocol}d`], async (port) => {
      const answer = await exchange(port, said[protocol]({ text, from: sender, to }), farewell);
      if (answer === undefined) return unanswered;
      const acknowledged = taken[protocol].test(answer);
      if (acknowledged) bench.acknowledged(number);
      return { acknowledged };
    });
  },
});

/** qmail-popup, and below it checkpassword and qmail-pop3d. */
const pop = (follow: boolean): Subject => ({
  name: `qmail-popup --listen${follow ? " with checkpassword, qmail-pop3d" : ""}`,
  follow,
  ends: [0, 111],
  run: async (bench, through) => {
    const box = join(bench.path, "mail", bench.user, "popbox");
    fillBox(box);
    const words = ["pop", "checkpassword", "qmail-pop3d", "popbox"];
    return await serve(bench, through, ["qmail-popup", ...words], async (port) => {
      const login = `USER ${bench.user}\r\nPASS ${bench.password()}\r\n`;
      const answer = await exchange(port, login + popSession, farewell);
      if (answer === undefined) return unanswered;
      // What was said before the session: the greeting, USER, PASS.
      const complaints = judgeBox(box, answer.split("\r\n").slice(3).join("\r\n"));
      return { complaints, outcome: becameOf(box) };
    });
  },
});

export const servers: readonly Subject[] = [
  ...protocols.map((protocol) => taker(protocol, false)),
  taker("smtp", true),
  pop(false),
  pop(true),
];
