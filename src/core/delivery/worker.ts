/**
 * A warm qmail-local: delivers messages for qmail-lspawn, as the user it was started as. Deliveries that do nothing but
 * put a message into a Maildir are made together, as many as wait, and share the flushes of the disk; all others one
 * after another.
 */
import { closeSync, constants, openSync } from "node:fs";
import { Exit } from "../exit.ts";
import { writeAll } from "../sys/fd.ts";
import { receiveWithDescriptor } from "../sys/handing.ts";
import { duplicateTo, moveAbove, waitFor } from "../sys/libc.ts";
import { beginMaildir, deliver, type Plan, planDelivery, runsPrograms } from "./dotqmail-deliver.ts";
import { enterHome, refuseLoop } from "./dotqmail-home.ts";
import { headerLines, type Recipient } from "./dotqmail-recipient.ts";
import { type Begun, Together, waiting } from "./together.ts";
import {
  type Answer,
  answerOf,
  decodeRequest,
  encodeAnswer,
  type Manner,
  outstandingLimit,
  requestHeader,
  requestLimit,
} from "./worker-words.ts";

/** Where requests come from, and where the answers go. The message has its place at descriptor 0. */
const requests = 3;
const answers = 1;
const message = 0;

/** What a qmail-local of its own would be told as arguments; undefined where it would complain about them. */
export type ReadArguments = (args: Buffer[]) => Recipient;

interface Request {
  number: number;
  manner: Manner;
  args: Buffer[];
  /** The message. */
  fd: number;
}

/** Serves until the socket ends. Then, and after anything nobody foresaw, the process is to end. */
export async function work(read: ReadArguments): Promise<void> {
  // No program that a delivery runs has it.
  const socket = moveAbove(requests, 10);
  const nothing = openSync("/dev/null", constants.O_RDONLY);
  const together = new Together(waiting);
  for (let request = receive(socket); request !== undefined; request = receive(socket)) {
    const batch = [request];
    while (batch.length < outstandingLimit && waitFor(socket, "read", 0)) {
      const next = receive(socket);
      if (next === undefined) break;
      batch.push(next);
    }
    const begun: { number: number; delivery: Begun }[] = [];
    for (const { number, manner, args, fd } of batch) {
      duplicateTo(fd, message);
      closeSync(fd);
      const step = manner === "shared" ? begin : deliverOne;
      const result = await answered(() => step(read(args)));
      if ("kind" in result) writeAll(answers, encodeAnswer(number, result));
      else begun.push({ number, delivery: result });
    }
    // No message is held open by who has nothing to do, and no home.
    duplicateTo(nothing, message);
    process.chdir("/");
    const ends = await Promise.all(begun.map(({ delivery }) => together.finish(delivery)));
    const said = begun.map(({ number }, index) => encodeAnswer(number, ends[index] ?? unknown));
    if (said.length > 0) writeAll(answers, Buffer.concat(said));
  }
}

const unknown: Answer = { kind: "exit", code: 111, text: Buffer.alloc(0) };

/** The next request; undefined: there will be none. */
function receive(socket: number): Request | undefined {
  let buffer = Buffer.alloc(4096);
  let fd: number | undefined;
  for (let got = 0; ; ) {
    const received = receiveWithDescriptor(socket, buffer.subarray(got));
    fd ??= received.fd;
    got += received.length;
    const request = decodeRequest(buffer.subarray(0, got));
    if (request !== undefined && fd !== undefined) return { ...request, fd };
    if (received.length === 0) return undefined;
    if (got === buffer.length)
      buffer = Buffer.concat([buffer, Buffer.alloc(requestHeader + requestLimit - got)]);
  }
}

/** What is to be done, after the checks that qmail-local(8) makes; the home is the current directory. */
function planned(recipient: Recipient): Plan {
  if (enterHome(recipient.home).sticky)
    throw new Exit(111, "Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n");
  const lines = headerLines(recipient, Date.now() / 1000);
  refuseLoop(message, lines.deliveredTo);
  return { ...planDelivery(recipient, lines), noPrograms: process.env.QMAILNOPROGRAM };
}

/** Begins what can be done beside others. */
function begin(recipient: Recipient): Begun | Answer {
  return beginMaildir(planned(recipient), recipient.home) ?? { kind: "alone" };
}

/** A delivery as qmail-local(8) makes it, with its exit code and what it says. */
async function deliverOne(recipient: Recipient): Promise<Answer> {
  const plan = planned(recipient);
  if (plan.noPrograms === undefined && runsPrograms(plan)) return { kind: "programs" };
  return { kind: "exit", code: 0, text: Buffer.from(await deliver(plan)) };
}

async function answered<Result>(step: () => Result | Promise<Result>): Promise<Result | Answer> {
  try {
    return await step();
  } catch (failure) {
    return answerOf(failure);
  }
}
