/**
 * qmail-start(8): starts qmail-lspawn, qmail-rspawn, qmail-clean and, where one is named, the logger, each with its
 * user and its pipes, and then becomes qmail-send. Prints nothing, whatever happens.
 *
 * | qmail-send's descriptor | leads to |
 * |---|---|
 * | 0 | the logger, or our output |
 * | 1, 2 | commands to, reports from qmail-lspawn |
 * | 3, 4 | commands to, reports from qmail-rspawn |
 * | 5, 6 | requests to, answers from qmail-clean |
 */
import { closeSync } from "node:fs";
import { Exit, isSystemError } from "../core/exit.ts";
import { inHome } from "../core/sys/home.ts";
import { duplicateTo, moveAbove, pipe } from "../core/sys/libc.ts";
import { start } from "../core/sys/spawn.ts";
import { become, type Ids, idsOf, type QmailUser, queueIdentity } from "../core/users/identity.ts";

const defaultDelivery = "./Mailbox";

/** Descriptors that qmail-send expects; our own pipes stay clear of them. */
const reserved = 7;

/** A daemon's standard input and output, and our ends of them: what we write to it and read from it. */
interface Partner {
  input: number;
  output: number;
  write: number;
  read: number;
}

function clearPipe(): [number, number] {
  const [read, write] = pipe();
  return [moveAbove(read, reserved), moveAbove(write, reserved)];
}

function partner(): Partner {
  const [input, write] = clearPipe();
  const [read, output] = clearPipe();
  return { input, output, write, read };
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

/** Starts one daemon. If that fails its pipes are closed, which is what qmail-send notices and reports. */
function launch(
  command: (string | Uint8Array)[],
  ids: Ids | undefined,
  input: number,
  output: number,
  errors: number | null,
): void {
  try {
    start({
      command,
      descriptors: [input, output, errors],
      directory: "/",
      ...(ids === undefined ? {} : { ids }),
    });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
  }
}

/** Starts the logger, if there is one, and returns where qmail-send's log goes. */
function log(logger: Uint8Array[], ids: Ids | undefined): number {
  if (logger.length === 0) return 1;
  const [read, write] = clearPipe();
  launch(logger, ids, read, 1, null);
  closeSync(read);
  return write;
}

function daemon(command: (string | Uint8Array)[], ids: Ids | undefined): Partner {
  const ends = partner();
  launch(command, ids, ends.input, ends.output, null);
  closeSync(ends.input);
  closeSync(ends.output);
  return ends;
}

/** Turns this process into qmail-send, with these descriptors as 0, 1, 2, ... */
function becomeSend(descriptors: number[], ids: Ids | undefined): never {
  if (ids !== undefined) become(ids);
  // Our output may be among them: as the first, it is copied before its place is taken.
  for (const [target, fd] of descriptors.entries()) duplicateTo(fd, target);
  const program = inHome("bin", "qmail-send");
  process.execve?.(program, [program], process.env);
  throw new Exit(111);
}

/** `qmail-start [defaultdelivery [logger arg ...]]` */
export function main([delivery, ...logger]: Uint8Array[]): number {
  try {
    process.chdir("/");
    process.umask(0o077);
    const users = chooseUsers();
    const output = log(logger, users("qmaill"));
    const bin = (name: string): string => inHome("bin", name);
    const local = daemon([bin("qmail-lspawn"), delivery ?? defaultDelivery], users("root"));
    const remote = daemon([bin("qmail-rspawn")], users("qmailr"));
    const cleaner = daemon([bin("qmail-clean")], users("qmailq"));
    const pipes = [local, remote, cleaner].flatMap(({ write, read }) => [write, read]);
    return becomeSend([output, ...pipes], users("qmails"));
  } catch (failure) {
    if (isSystemError(failure)) throw new Exit(111);
    throw failure;
  }
}
