/** qmail-qmtpd(8): takes mail from a QMTP client on descriptors 0 and 1 and gives it to qmail-queue. */
import { CdbDamaged } from "../core/control/cdbfile.ts";
import { me } from "../core/control/control.ts";
import { databytes } from "../core/control/databytes.ts";
import { RcptHosts } from "../core/control/rcpthosts.ts";
import { isSystemError, temporary } from "../core/exit.ts";
import { Submission } from "../core/queue/submit.ts";
import { environment } from "../core/sys/arguments.ts";
import { connection } from "../core/sys/connection.ts";
import { qmailHome } from "../core/sys/home.ts";
import { Peer, PeerGone, PeerTimeout } from "../core/sys/peer.ts";
import { QmtpServer } from "../core/wire/qmtp-server.ts";

/** A session takes no longer, in seconds. */
const sessionLimit = 3600;

export async function main(): Promise<number> {
  const peer = new Peer(sessionLimit, { deadline: Date.now() + sessionLimit * 1000 });
  const { settings, hosts } = attempt(() => {
    process.chdir(qmailHome());
    me(); // Not needed; but where control files cannot be read, nothing is taken.
    const hosts = new RcptHosts();
    return {
      settings: { connection: connection(), relayClient: environment("RELAYCLIENT"), sizeLimit: databytes() },
      hosts,
    };
  });
  const session = new QmtpServer(settings, {
    reply: (bytes) => peer.write(bytes),
    now: () => Math.floor(Date.now() / 1000),
    open: () => attempt(() => new Submission()),
    allows: (recipient) => attempt(() => hosts.allows(recipient)),
  });
  try {
    while (session.exitCode === undefined) await session.feed(peer.read());
    return session.exitCode;
  } catch (failure) {
    if (failure instanceof PeerGone) return 0;
    if (failure instanceof PeerTimeout) return 111;
    throw failure;
  }
}

/** Trouble of our own: the client, which gets no answer, will come again. */
function attempt<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (failure) {
    if (isSystemError(failure) || failure instanceof CdbDamaged) throw temporary("");
    throw failure;
  }
}
