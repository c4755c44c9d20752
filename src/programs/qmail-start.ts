/**
 * qmail-start(8): starts qmail-lspawn, qmail-rspawn, qmail-clean and, where one is named, the logger, each with its
 * user and its pipes, and then becomes qmail-send. Says nothing but that a user of qmail is missing.
 *
 * | qmail-send's descriptor | leads to |
 * |---|---|
 * | 0 | the logger, or our output |
 * | 1, 2 | commands to, reports from qmail-lspawn |
 * | 3, 4 | commands to, reports from qmail-rspawn |
 * | 5, 6 | requests to, answers from qmail-clean |
 */

import { closeSync } from "node:fs";
import { bytes } from "../core/bytes/text.ts";
import { widthVariable } from "../core/delivery/slot-number.ts";
import { Exit, isSystemError } from "../core/exit.ts";
import { tellWhoCleans } from "../core/queue/cleaning.ts";
import { isThisExecutable, replaceBy } from "../core/sys/exec.ts";
import { inHome } from "../core/sys/home.ts";
import { duplicateTo, moveAbove, pipe } from "../core/sys/libc.ts";
import { ignoreSignals } from "../core/sys/signals.ts";
import { type Start, startLikeShell } from "../core/sys/spawn.ts";
import { become, type Ids, idsOf, type QmailUser, queueIdentity } from "../core/users/identity.ts";

const defaultDelivery = bytes("./Mailbox");

/** Descriptors that qmail-send expects; our own pipes stay clear of them. */
const reserved = 7;

/** Our ends of the pipes to and from a partner. */
interface Partner {
  write: number;
  read: number;
}

function clearPipe(): [number, number] {
  const [read, write] = pipe();
  return [moveAbove(read, reserved), moveAbove(write, reserved)];
}

/** Who each daemon runs as; undefined is "as we are". */
type Users = (user: QmailUser | "root") => Ids | undefined;

/** Settles the users; in a private home everything becomes its owner here and now. */
function chooseUsers(): Users {
  const identity = queueIdentity();
  if (identity.kind === "owner") become(identity.ids);
  if (identity.kind !== "users") return () => undefined;
  const root = { uid: 0, gid: idsOf("qmailq").gid };
  return (user) => (user === "root" ? root : idsOf(user));
}

/** Starts a program. If that fails, its pipes are closed, which is what qmail-send notices and reports. */
function launch(how: Start, ids: Ids | undefined): void {
  try {
    startLikeShell({ ...how, directory: "/", ...(ids === undefined ? {} : { ids }) });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}

/** Lets them number deliveries with two bytes where all three are our own; what we were started with says nothing. */
function agreeOnSlots(): void {
  delete process.env[widthVariable];
  const ours = ["qmail-send", "qmail-lspawn", "qmail-rspawn"].every(isOurs);
  if (ours) process.env[widthVariable] = "2";
}

function isOurs(name: string): boolean {
  try {
    return isThisExecutable(inHome("bin", name));
  } catch (failure) {
    // That it is not there shows when it is started.
    if (isSystemError(failure)) return false;
    throw failure;
  }
}

/** Starts the logger, if there is one, and returns where qmail-send's log goes. */
function log(logger: Uint8Array[], ids: Ids | undefined): number {
  if (logger.length === 0) return 1;
  const [read, write] = clearPipe();
  launch({ command: logger, descriptors: [read, 1, null] }, ids);
  closeSync(read);
  return write;
}

/** Starts one of qmail-send's partners. */
function partner(name: string, args: Uint8Array[], ids: Ids | undefined): Partner {
  const [input, write] = clearPipe();
  const [read, output] = clearPipe();
  launch({ command: [inHome("bin", name), ...args], name, descriptors: [input, output, null] }, ids);
  closeSync(input);
  closeSync(output);
  return { write, read };
}

/** Turns this process into qmail-send, with these descriptors as 0, 1, 2, ... */
function becomeSend(descriptors: number[], ids: Ids | undefined): never {
  if (ids !== undefined) become(ids);
  // They would end it before it can catch them.
  ignoreSignals("SIGHUP", "SIGALRM");
  // Our output may be among them: as the first, it is copied before its place is taken.
  for (const [target, fd] of descriptors.entries()) duplicateTo(fd, target);
  return replaceBy(inHome("bin", "qmail-send"), [bytes("qmail-send")]);
}

/** `qmail-start [defaultdelivery [logger arg ...]]` */
export function main([delivery, ...logger]: Uint8Array[]): number {
  try {
    process.chdir("/");
    process.umask(0o077);
    const users = chooseUsers();
    tellWhoCleans(false);
    const output = log(logger, users("qmaill"));
    agreeOnSlots();
    const local = partner("qmail-lspawn", [delivery ?? defaultDelivery], users("root"));
    const remote = partner("qmail-rspawn", [], users("qmailr"));
    const cleaner = partner("qmail-clean", [], users("qmailq"));
    const pipes = [local, remote, cleaner].flatMap(({ write, read }) => [write, read]);
    tellWhoCleans(users("qmails") === undefined && ["qmail-send", "qmail-clean"].every(isOurs));
    return becomeSend([output, ...pipes], users("qmails"));
  } catch (failure) {
    if (isSystemError(failure)) throw new Exit(111);
    throw failure;
  }
}
