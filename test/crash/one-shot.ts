/** Programs that run once, or serve one descriptor, under a fault. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeRequest } from "../../src/core/queue/resident-words.ts";
import { host } from "../helpers/home.ts";
import { type Bench, sender } from "./bench.ts";
import { protocols, said, taken } from "./clients.ts";
import { becameOf, fillBox, judgeBox, popSession } from "./pop.ts";
import { type Arrived, Sink } from "./sink.ts";
import { type Ended, finish, type Subject } from "./subject.ts";

/** A subject that is told that a message is taken if `isTaken`. */
function taker(
  name: string,
  ends: readonly (number | string)[],
  how: (
    bench: Bench,
    message: { number: number; text: string; to: string },
  ) => { command: string[]; input: string; envelope?: string },
  isTaken: (ended: Ended) => boolean,
  more: { follow?: boolean; way?: "forward" | "mailbox" } = {},
): Subject {
  return {
    name,
    ends,
    follow: more.follow ?? false,
    settlesLater: true,
    run: async (bench, through) => {
      const message = bench.message(more.way ?? "mailbox");
      const { command, input, envelope } = how(bench, message);
      const ended = await finish(bench, [...through, ...command], input, envelope);
      const acknowledged = isTaken(ended);
      if (acknowledged) bench.acknowledged(message.number);
      return { end: ended.end, complaints: [], acknowledged };
    },
  };
}

const succeeded = ({ end }: Ended): boolean => end === 0;

/** What qmail-queue(8) names as temporary; 54 is for an input that cannot be read. */
const queueEnds = [0, 53, 54, 61, 62, 63, 64, 65, 66];

const localWords = (bench: Bench, local: string, extension: string, delivery: string): string[] => {
  const home = join(bench.path, "mail", bench.user);
  const dash = extension === "" ? "" : "-";
  return [bench.built("qmail-local"), "--", bench.user, home, local, dash, extension, host, sender, delivery];
};

/** `before`: what is in the mbox; undefined: there is none. */
const mbox = (name: string, before: string | undefined): Subject => ({
  name,
  follow: false,
  ends: [0, 111],
  run: async (bench, through, killed) => {
    const path = join(bench.path, "mail", bench.user, "Mbox");
    rmSync(path, { force: true });
    if (before !== undefined) writeFileSync(path, before);
    const { text } = bench.message("mailbox");
    const { end } = await finish(bench, [...through, ...localWords(bench, "joe", "", "./Mbox")], text);
    const after = existsSync(path) ? readFileSync(path, "latin1") : "";
    const old = before ?? "";
    const added = after.slice(old.length);
    const whole =
      /^From \S+ .*\nReturn-Path: .*\nDelivered-To: .*\n/.test(added) && added.endsWith(`\n${text}\n`);
    const complaints = [
      ...(after.startsWith(old) ? [] : ["what was in the mbox is changed"]),
      ...(end === 0 && !whole ? ["delivered, but not in the mbox"] : []),
      // mbox(5) promises nothing about who is killed while appending.
      ...(added !== "" && !whole && !killed ? ["a torn message in the mbox"] : []),
    ];
    return { end, complaints, acknowledged: end === 0 };
  },
});

/** A session that takes the first of two messages away. */
const pop: Subject = {
  name: "qmail-pop3d",
  follow: false,
  ends: [0, 111],
  run: async (bench, through) => {
    const box = bench.beside("pop");
    fillBox(box);
    const { end, output } = await finish(bench, [...through, bench.built("qmail-pop3d"), box], popSession);
    return { end, complaints: judgeBox(box, output), ...(end === 0 ? { outcome: becameOf(box) } : {}) };
  },
};

/** qmail-remote, and what the other host has afterwards. Where it says nothing, qmail-rspawn puts the mail off. */
const remote: Subject = {
  name: "qmail-remote",
  follow: false,
  ends: [0, 111],
  run: async (bench, through) => {
    const arrived: Arrived[] = [];
    using other = await Sink.start((message) => arrived.push(message));
    writeFileSync(join(bench.path, "control/smtproutes"), `remote.example:127.0.0.1:${other.port}\n`);
    const { text } = bench.message("mailbox");
    const words = [bench.built("qmail-remote"), "remote.example", sender, "n@remote.example"];
    const { end, output } = await finish(bench, [...through, ...words], text);
    const [verdict] = /[KZD][^\0]*\0$/.exec(output) ?? [];
    const complaints = [
      ...(arrived.every((message) => message.text === text) ? [] : ["a torn message arrived"]),
      ...(arrived.length > 1 ? ["it arrived twice"] : []),
      ...(verdict?.startsWith("K") === true && arrived.length === 0 ? ["sent, but nothing arrived"] : []),
      ...(verdict?.startsWith("D") === true ? [`trouble of our own bounces mail: ${verdict}`] : []),
    ];
    const said = { K: "sent", Z: "put off", D: "bounced" }[verdict?.[0] ?? ""] ?? "no word";
    return { end, complaints, ...(end === 0 ? { outcome: said } : {}) };
  },
};

export const oneShots: readonly Subject[] = [
  taker(
    "qmail-queue",
    queueEnds,
    (bench, { text, to }) => ({
      command: [bench.built("qmail-queue")],
      input: text,
      envelope: `F${sender}\0T${to}\0\0`,
    }),
    succeeded,
  ),
  taker(
    "qmail-queue --resident",
    queueEnds,
    (bench, { text, to }) => ({
      command: [bench.built("qmail-queue"), "--resident"],
      input: Buffer.concat(
        encodeRequest({
          message: [Buffer.from(text)],
          sender: Buffer.from(sender),
          recipients: [Buffer.from(to)],
        }),
      ).toString("latin1"),
    }),
    ({ output }) => /\d+:Kok /.test(output),
    { follow: true },
  ),
  taker(
    "qmail-inject",
    [0, 111],
    (bench, { text, to }) => ({ command: [bench.program("qmail-inject"), to], input: text }),
    succeeded,
  ),
  ...protocols.map((protocol) =>
    taker(
      `qmail-${protocol}d`,
      [0, 1, 111],
      (bench, { text, to }) => ({
        command: [bench.program(`qmail-${protocol}d`)],
        input: said[protocol]({ text, from: sender, to }),
      }),
      ({ output }) => taken[protocol].test(output),
    ),
  ),
  taker(
    "qmail-local, Maildir",
    [0, 111],
    (bench, { text }) => ({ command: localWords(bench, "joe", "", "./Maildir/"), input: text }),
    succeeded,
  ),
  taker(
    "qmail-local, forward",
    [0, 111],
    (bench, { text }) => ({ command: localWords(bench, "joe-onward", "onward", "./Maildir/"), input: text }),
    succeeded,
    { way: "forward" },
  ),
  mbox("qmail-local, new mbox", undefined),
  mbox("qmail-local, mbox", "From a@b Thu Jan  1 00:00:00 1970\nSubject: first\n\nbody\n\n"),
  pop,
  remote,
];
