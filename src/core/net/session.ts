/** Running the engine of a QMTP or QMQP session: for the one client on descriptors 0 and 1, or for one of many. */
import { Exit } from "../exit.ts";
import { type Client, Peer, PeerDraining, PeerGone, PeerTimeout } from "../sys/peer.ts";
import type { SteppedSession } from "../wire/netstring.ts";
import type { NetworkClient } from "./network-client.ts";

/** A session takes no longer, in seconds, whoever is slow: the client or the queue. */
const limit = 3600;

/** Holds the session to its end and returns the exit code: 0 also where the client is gone, 111 after an hour. */
export async function runSession(open: (peer: Peer) => SteppedSession): Promise<number> {
  const peer = new Peer(limit, { deadline: performance.now() + limit * 1000 });
  try {
    return await Promise.race([converse(peer, open(peer)), timeout()]);
  } catch (failure) {
    if (failure instanceof PeerGone) return 0;
    if (failure instanceof PeerTimeout) return 111;
    throw failure;
  }
}

/** What is behind a session of a server that stays. */
export interface Backing {
  /** Frees what the session holds when it is over, however it ended. */
  release: () => Promise<void>;
}

/** Holds the session of one of many clients to its end. */
export async function serveSession(
  client: NetworkClient,
  open: () => SteppedSession,
  backing: Backing,
): Promise<void> {
  client.setPatience(limit);
  const timer = setTimeout(() => client.cut(), limit * 1000);
  try {
    await converse(client, open());
  } catch (failure) {
    const ends = [PeerGone, PeerTimeout, PeerDraining, Exit].some((kind) => failure instanceof kind);
    if (!ends) throw failure;
  } finally {
    clearTimeout(timer);
    await backing.release();
  }
}

async function converse(client: Client, session: SteppedSession): Promise<number> {
  while (session.exitCode === undefined) await session.feed(await client.read(session.inTransaction));
  if (session.exitCode === 0) await client.flush();
  return session.exitCode;
}

function timeout(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new PeerTimeout()), limit * 1000).unref();
  });
}
