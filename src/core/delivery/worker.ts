/** A warm qmail-local: delivers one message after another for qmail-lspawn, as the user it was started as. */
import { closeSync, constants, openSync } from "node:fs";
import { Exit, isSystemError } from "../exit.ts";
import { writeAll } from "../sys/fd.ts";
import { receiveWithDescriptor } from "../sys/handing.ts";
import { duplicateTo, moveAbove } from "../sys/libc.ts";
import { deliver, type Plan, planDelivery, runsPrograms } from "./dotqmail-deliver.ts";
import { enterHome, refuseLoop } from "./dotqmail-home.ts";
import { headerLines, type Recipient } from "./dotqmail-recipient.ts";
import { type Answer, decodeRequest, encodeAnswer, requestLimit } from "./worker-words.ts";

/** Where requests come from, and where the answers go. The message has its place at descriptor 0. */
const requests = 3;
const answers = 1;
const message = 0;

/** What a qmail-local of its own would be told as arguments; undefined where it would complain about them. */
export type ReadArguments = (args: Buffer[]) => Recipient;

/** Serves until the socket ends. Then, and after anything nobody foresaw, the process is to end. */
export async function work(read: ReadArguments): Promise<void> {
  // No program that a delivery runs has it.
  const socket = moveAbove(requests, 10);
  const nothing = openSync("/dev/null", constants.O_RDONLY);
  for (;;) {
    const request = receive(socket);
    if (request === undefined) return;
    duplicateTo(request.message, message);
    closeSync(request.message);
    const answer = await deliverOne(() => read(request.args));
    // No message is held open by who has nothing to do, and no home.
    duplicateTo(nothing, message);
    process.chdir("/");
    writeAll(answers, encodeAnswer(answer));
  }
}

/** The next request; undefined: there will be none. */
function receive(socket: number): { args: Buffer[]; message: number } | undefined {
  const buffer = Buffer.alloc(requestLimit + 4);
  let message: number | undefined;
  for (let got = 0; ; ) {
    const { length, fd } = receiveWithDescriptor(socket, buffer.subarray(got));
    message ??= fd;
    got += length;
    const args = decodeRequest(buffer.subarray(0, got));
    if (args !== undefined && message !== undefined) return { args, message };
    if (length === 0) return undefined;
  }
}

/** A delivery as qmail-local(8) makes it, with its exit code and what it says. */
async function deliverOne(read: () => Recipient): Promise<Answer> {
  try {
    const recipient = read();
    if (enterHome(recipient.home).sticky)
      throw new Exit(111, "Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n");
    const lines = headerLines(recipient, Date.now() / 1000);
    refuseLoop(message, lines.deliveredTo);
    const plan: Plan = { ...planDelivery(recipient, lines), noPrograms: process.env.QMAILNOPROGRAM };
    if (plan.noPrograms === undefined && runsPrograms(plan)) return { kind: "programs" };
    return { kind: "exit", code: 0, text: Buffer.from(await deliver(plan)) };
  } catch (failure) {
    if (failure instanceof Exit)
      return { kind: "exit", code: failure.code, text: Buffer.from(failure.text, "latin1") };
    if (!isSystemError(failure)) throw failure;
    return { kind: "exit", code: 111, text: Buffer.from(`qmail-local: fatal: ${failure.message}\n`) };
  }
}
