/** qmail-qmqpd(8): takes one message from a QMQP client on descriptors 0 and 1 and gives it to qmail-queue. */
import { isSystemError, temporary } from "../core/exit.ts";
import { runSession } from "../core/net/session.ts";
import { Submission } from "../core/queue/submit.ts";
import { connection } from "../core/sys/connection.ts";
import { qmailHome } from "../core/sys/home.ts";
import { QmqpServer } from "../core/wire/qmqp-server.ts";

export function main(): Promise<number> {
  return runSession(
    (peer) =>
      new QmqpServer(connection(), {
        reply: (bytes) => peer.write(bytes),
        now: () => Math.floor(Date.now() / 1000),
        open,
      }),
  );
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
