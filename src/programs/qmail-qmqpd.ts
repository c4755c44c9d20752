/** qmail-qmqpd(8): takes one message from a QMQP client on descriptors 0 and 1 and gives it to qmail-queue. */
import { isSystemError, temporary } from "../core/exit.ts";
import { Submission } from "../core/queue/submit.ts";
import { connection } from "../core/sys/connection.ts";
import { qmailHome } from "../core/sys/home.ts";
import { Peer, PeerGone, PeerTimeout } from "../core/sys/peer.ts";
import { QmqpServer } from "../core/wire/qmqp-server.ts";

/** A session takes no longer, in seconds. */
const sessionLimit = 3600;

export async function main(): Promise<number> {
  const peer = new Peer(sessionLimit, { deadline: Date.now() + sessionLimit * 1000 });
  const session = new QmqpServer(connection(), {
    reply: (bytes) => peer.write(bytes),
    now: () => Math.floor(Date.now() / 1000),
    open,
  });
  try {
    while (session.exitCode === undefined) await session.feed(peer.read());
    peer.flush();
    return session.exitCode;
  } catch (failure) {
    if (failure instanceof PeerGone) return 0;
    if (failure instanceof PeerTimeout) return 111;
    throw failure;
  }
}

/** Starts qmail-queue. Where there is no home or no descriptor left the client, which gets no answer, will come again. */
function open(): Submission {
  try {
    process.chdir(qmailHome());
    return new Submission();
  } catch (failure) {
    if (isSystemError(failure)) throw temporary("");
    throw failure;
  }
}
