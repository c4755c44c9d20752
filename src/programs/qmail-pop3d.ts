/** qmail-pop3d(8): gives a POP3 client on descriptors 0 and 1 the messages of a Maildir. */
import { closeSync, constants, openSync, renameSync, unlinkSync } from "node:fs";
import { Exit, isSystemError } from "../core/exit.ts";
import { cleanTemporary, type MaildirList, scanMaildir, UnreadableFolder } from "../core/maildir/scan.ts";
import { readSome } from "../core/sys/fd.ts";
import { qmailHome, standardHome } from "../core/sys/home.ts";
import { changeDirectory } from "../core/sys/libc.ts";
import { Peer, PeerGone, PeerTimeout } from "../core/sys/peer.ts";
import { queueIdentity } from "../core/users/identity.ts";
import { type Pop3Host, Pop3Server } from "../core/wire/pop3-server.ts";

/** Seconds to wait for the client. */
const timeout = 1200;

/** The Maildir is the current directory. */
const here = Buffer.alloc(0);

const chunk = 65536;
const colon = 58;
const isNew = Buffer.from("new/");

export function main([maildir]: Buffer[]): number {
  if (process.getuid?.() === 0 && !isOwnHome())
    throw new Exit(1, "qmail-pop3d invoked as uid 0, terminating\n");
  const peer = new Peer(timeout);
  try {
    const complaint = enter(maildir);
    const messages = complaint === undefined ? list() : complaint;
    if (typeof messages === "string") {
      peer.write(Buffer.from(`-ERR ${messages}\r\n`));
      peer.flush();
      return 0;
    }
    converse(peer, messages);
  } catch (failure) {
    if (!(failure instanceof PeerGone || failure instanceof PeerTimeout)) throw failure;
  }
  return 0;
}

/** Root reads no mail but in a private home of its own. */
function isOwnHome(): boolean {
  return qmailHome() !== standardHome && queueIdentity().kind === "current";
}

/** Goes to the Maildir; returns what is wrong with it. */
function enter(maildir: Buffer | undefined): string | undefined {
  try {
    if (maildir === undefined) return "this user has no $HOME/Maildir";
    changeDirectory(maildir);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return "this user has no $HOME/Maildir";
  }
  cleanTemporary(here);
  return undefined;
}

/** The messages as they are now: what comes later is for the next session. */
function list(): MaildirList | string {
  try {
    return scanMaildir(here, ["new", "cur"]);
  } catch (failure) {
    if (!(failure instanceof UnreadableFolder)) throw failure;
    return "unable to scan $HOME/Maildir";
  }
}

function converse(peer: Peer, messages: MaildirList): void {
  const session = new Pop3Server(new Host(peer, messages));
  session.greet();
  while (!session.done) session.feed(peer.read());
  peer.flush();
}

/** The Maildir, and the client. */
class Host implements Pop3Host {
  readonly #peer: Peer;
  readonly #messages: MaildirList;
  readonly count: number;
  constructor(peer: Peer, messages: MaildirList) {
    this.#peer = peer;
    this.#messages = messages;
    this.count = messages.length;
  }

  /** The name without its flags stays the same when the message moves from new to cur. */
  uid(index: number): Buffer {
    const name = this.#messages.path(index).subarray(isNew.length);
    const flags = name.indexOf(colon);
    return flags < 0 ? name : name.subarray(0, flags);
  }

  size(index: number): number {
    return this.#messages.size(index);
  }

  reply(bytes: Buffer): void {
    this.#peer.write(bytes);
  }

  open(index: number): Iterable<Buffer> | undefined {
    const fd = possible(() =>
      openSync(this.#messages.path(index), constants.O_RDONLY | constants.O_NONBLOCK),
    );
    return fd === undefined ? undefined : pieces(this.#peer, fd);
  }

  /** A client that said QUIT without waiting for a message has to be sent it before it is deleted. */
  remove(index: number): boolean {
    this.#peer.flush();
    const removed = possible(() => {
      unlinkSync(this.#messages.path(index));
      return true;
    });
    return removed ?? false;
  }

  keep(index: number): void {
    const path = this.#messages.path(index);
    if (!path.subarray(0, isNew.length).equals(isNew)) return;
    const seen = Buffer.concat([Buffer.from("cur/"), path.subarray(isNew.length), Buffer.from(":2,")]);
    // If it stays where it is, it is seen again as new: no harm done.
    possible(() => renameSync(path, seen));
  }
}

/** The result, or undefined where a system call failed. */
function possible<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}

/** A message that cannot be read to its end ends the session, and must not look complete. */
function* pieces(peer: Peer, fd: number): Generator<Buffer> {
  const buffer = Buffer.allocUnsafe(chunk);
  try {
    for (;;) {
      const length = readSome(fd, buffer);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    peer.flush();
    throw new PeerGone(failure.code);
  } finally {
    closeSync(fd);
  }
}
