/** Running the engine of a QMTP or QMQP session for the one client on descriptors 0 and 1. */
import { Peer, PeerGone, PeerTimeout } from "../sys/peer.ts";
import type { SteppedSession } from "../wire/netstring.ts";

/** A session takes no longer, in seconds, whoever is slow: the client or the queue. */
const limit = 3600;

/** Holds the session to its end and returns the exit code: 0 also where the client is gone, 111 after an hour. */
export async function runSession(open: (peer: Peer) => SteppedSession): Promise<number> {
  const peer = new Peer(limit, { deadline: Date.now() + limit * 1000 });
  try {
    return await Promise.race([converse(peer, open(peer)), timeout()]);
  } catch (failure) {
    if (failure instanceof PeerGone) return 0;
    if (failure instanceof PeerTimeout) return 111;
    throw failure;
  }
}

async function converse(peer: Peer, session: SteppedSession): Promise<number> {
  while (session.exitCode === undefined) await session.feed(peer.read());
  if (session.exitCode === 0) peer.flush();
  return session.exitCode;
}

function timeout(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new PeerTimeout()), limit * 1000).unref();
  });
}
