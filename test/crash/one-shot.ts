/** Programs that run once, or serve one descriptor, under a fault. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { encodeRequest } from "../../src/core/queue/resident-words.ts";
import { host } from "../helpers/home.ts";
import { type Bench, type Run, sender } from "./bench.ts";

/** A program and how it is tried. */
export interface Subject {
  name: string;
  /** Whether its threads and children meet the faults, too. */
  follow: boolean;
  /** Ends that its manual page promises where the trouble may pass. */
  ends: readonly (number | string)[];
  /** Runs it behind these words. `killed`: the fault is SIGKILL. */
  run: (bench: Bench, through: readonly string[], killed: boolean) => Promise<Run>;
  /** Settling is for many runs together: the queue is not worked off by the run itself. */
  settlesLater?: boolean;
}

/** Longest life of a run, in milliseconds. */
const patience = 20_000;

interface Ended {
  end: number | string;
  output: string;
}

/** strace lost a thread that ended just then, and ended itself: nobody knows how the program did. */
export class ObserverFailed extends Error {}

/** Runs a command to its end; descriptor 1 is a file to read where `envelope` is one. */
async function finish(bench: Bench, command: string[], input: string, envelope?: string): Promise<Ended> {
  const file = (name: string, content: string): number => {
    writeFileSync(bench.beside(name), content, "latin1");
    return openSync(bench.beside(name), "r");
  };
  const stdin = file("input", input);
  const stdout = envelope === undefined ? openSync(bench.beside("output"), "w") : file("envelope", envelope);
  const stderr = openSync(bench.beside("errors"), "w");
  const child = Bun.spawn(command, {
    // The types know descriptor 1 as an output only.
    stdio: [stdin, stdout as unknown as "ignore", stderr],
    env: bench.environment,
    timeout: patience,
    killSignal: "SIGTERM",
  });
  for (const fd of [stdin, stdout, stderr]) closeSync(fd);
  await child.exited;
  const [complaint] = /^strace: ptrace.*/m.exec(readFileSync(bench.beside("errors"), "latin1")) ?? [];
  if (complaint !== undefined) throw new ObserverFailed(complaint);
  const end = child.signalCode === "SIGTERM" ? "hung" : (child.signalCode ?? child.exitCode ?? -1);
  return { end, output: envelope === undefined ? readFileSync(bench.beside("output"), "latin1") : "" };
}

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

const smtpSession = (text: string, to: string): string =>
  ["HELO client.example", `MAIL FROM:<${sender}>`, `RCPT TO:<${to}>`, "DATA", `${text}.`, "QUIT", ""]
    .join("\n")
    .replaceAll("\n", "\r\n");

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

const pop: Subject = {
  name: "qmail-pop3d",
  follow: false,
  ends: [0, 111],
  run: async (bench, through) => {
    const box = bench.beside("pop");
    rmSync(box, { recursive: true, force: true });
    for (const part of ["new", "cur", "tmp"]) mkdirSync(join(box, part), { recursive: true });
    const texts = { "1.1.x": "Subject: 1\n\nfirst\n", "2.1.x": "Subject: 2\n\nsecond\n" };
    for (const [name, text] of Object.entries(texts)) {
      writeFileSync(join(box, "new", name), text);
      // What is of this second is left for the next session.
      utimesSync(join(box, "new", name), 1e9, 1e9);
    }
    const session = "STAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";
    const { end, output } = await finish(bench, [...through, bench.built("qmail-pop3d"), box], session);
    const kept = ["new", "cur"].flatMap((part) =>
      readdirSync(join(box, part)).map((name) => readFileSync(join(box, part, name), "latin1")),
    );
    const retrieved = /\+OK \r\n(Subject: .*\r\n\r\n.*\r\n)\r\n\.\r\n/
      .exec(output)?.[1]
      ?.replaceAll("\r\n", "\n");
    const all: string[] = Object.values(texts);
    const gone = all.filter((text) => !kept.includes(text));
    const deleted = (output.match(/\+OK/g) ?? []).length >= 3;
    const complaints = [
      ...(kept.every((text) => all.includes(text)) ? [] : ["a torn message"]),
      // Number 1 is another message where one could not be looked at.
      ...(gone.length === 0 || (gone.length === 1 && deleted)
        ? []
        : ["a message is gone that nobody deleted"]),
      ...(retrieved === undefined || all.includes(retrieved) ? [] : ["a torn message was sent"]),
      ...(retrieved === undefined || gone.every((text) => text === retrieved)
        ? []
        : ["the wrong message is gone"]),
    ];
    return { end, complaints };
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
  taker(
    "qmail-smtpd",
    [0, 1, 111],
    (bench, { text, to }) => ({ command: [bench.program("qmail-smtpd")], input: smtpSession(text, to) }),
    ({ output }) => /^250 ok \d+ qp /m.test(output),
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
];
