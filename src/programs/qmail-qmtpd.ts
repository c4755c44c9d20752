/** qmail-qmtpd(8): takes mail from a QMTP client on descriptors 0 and 1 and gives it to qmail-queue. */
import { CdbDamaged } from "../core/control/cdbfile.ts";
import { me } from "../core/control/control.ts";
import { databytes } from "../core/control/databytes.ts";
import { RcptHosts } from "../core/control/rcpthosts.ts";
import { isSystemError, temporary } from "../core/exit.ts";
import { runSession } from "../core/net/session.ts";
import { Submission } from "../core/queue/submit.ts";
import { environment } from "../core/sys/arguments.ts";
import { connection } from "../core/sys/connection.ts";
import { qmailHome } from "../core/sys/home.ts";
import { QmtpServer } from "../core/wire/qmtp-server.ts";

export function main(): Promise<number> {
  const { settings, hosts } = attempt(() => {
    process.chdir(qmailHome());
    me(); // Not needed; but where control files cannot be read, nothing is taken.
    const hosts = new RcptHosts();
    return {
      settings: { connection: connection(), relayClient: environment("RELAYCLIENT"), sizeLimit: databytes() },
      hosts,
    };
  });
  return runSession(
    (peer) =>
      new QmtpServer(settings, {
        reply: (bytes) => peer.write(bytes),
        now: () => Math.floor(Date.now() / 1000),
        open: () => attempt(() => new Submission()),
        allows: (recipient) => attempt(() => hosts.allows(recipient)),
      }),
  );
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
