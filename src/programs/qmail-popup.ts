/**
 * qmail-popup(8): asks a POP3 client on descriptors 0 and 1 for a name and a password, and gives them to a program
 * like checkpassword on its descriptor 3. That program runs the rest of the session, if it lets the client in.
 */
import { closeSync, writeSync } from "node:fs";
import { isSystemError } from "../core/exit.ts";
import { writeAll } from "../core/sys/fd.ts";
import { pipe, setNonBlocking } from "../core/sys/libc.ts";
import { Peer, PeerGone, PeerTimeout } from "../core/sys/peer.ts";
import { type Child, startLikeShell } from "../core/sys/spawn.ts";
import { type Credentials, Pop3Login } from "../core/wire/pop3-login.ts";

/** Seconds to wait for the client. */
const timeout = 1200;

/** Every session ends so: a client that was let in is told nothing here. */
const over = 1;

export async function main([host, ...checker]: Buffer[]): Promise<number> {
  // One byte at a time: what follows the password is for the next program to read.
  const peer = new Peer(timeout, { most: 1 });
  try {
    const complaint = await serve(peer, host, checker);
    if (complaint !== undefined) peer.write(Buffer.from(`-ERR ${complaint}\r\n`));
    peer.flush();
  } catch (failure) {
    if (!(failure instanceof PeerGone || failure instanceof PeerTimeout)) throw failure;
  }
  return over;
}

/** The whole session; returns what there is to complain about. */
async function serve(peer: Peer, host: Buffer | undefined, checker: Buffer[]): Promise<string | undefined> {
  if (host === undefined || checker.length === 0) return "usage: popup hostname subprogram";
  const stamp = stampFor(host);
  const session = new Pop3Login((line) => peer.write(line));
  session.greet(stamp);
  while (session.result === undefined) session.feed(peer.read());
  peer.flush();
  return session.result === "quit" ? undefined : await check(checker, session.result, stamp);
}

/** What no other session is greeted with. */
function stampFor(host: Buffer): Buffer {
  const seconds = Math.floor(Date.now() / 1000);
  return Buffer.concat([Buffer.from(`<${process.pid}.${seconds}@`), host, Buffer.from(">")]);
}

/** Runs the checker, and through it everything that follows. */
async function check(
  checker: readonly Buffer[],
  { user, secret }: Credentials,
  stamp: Buffer,
): Promise<string | undefined> {
  const nul = Buffer.of(0);
  const ends = attempt(pipe);
  if (ends === undefined) return "unable to open pipe";
  const [read, write] = ends;
  let child: Child | undefined;
  try {
    child = startLikeShell({ command: checker, descriptors: [0, 1, 2, read] });
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return failure.code === "EAGAIN" || failure.code === "ENOMEM" ? "unable to fork" : "authorization failed";
  }
  const told = attempt(() => tell(read, write, Buffer.concat([user, nul, secret, nul, stamp, nul])));
  if (told === undefined) return "unable to write pipe";
  const end = await child.ended;
  if ("signal" in end) return "aack, child crashed";
  return end.code === 0 ? undefined : "authorization failed";
}

/**
 * Writes to the checker's pipe and closes it. As long as we could read from it ourselves it does not matter that a
 * checker ends without reading; what does not fit into the pipe at once is written when only the checker reads.
 */
function tell(read: number, write: number, text: Buffer): true {
  setNonBlocking(write);
  const sent = writeSync(write, text);
  closeSync(read);
  writeAll(write, text.subarray(sent));
  closeSync(write);
  return true;
}

/** The result, or undefined where a system call failed. */
function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}
