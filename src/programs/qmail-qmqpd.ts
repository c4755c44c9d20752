/** qmail-qmqpd(8): takes one message from a QMQP client on descriptors 0 and 1, or from each that connects, and gives it to qmail-queue. */
import { isSystemError, temporary } from "../core/exit.ts";
import { isResident } from "../core/net/listen-options.ts";
import { runSession } from "../core/net/session.ts";
import { MessageSlot } from "../core/queue/slot.ts";
import { Submission } from "../core/queue/submit.ts";
import { connection } from "../core/sys/connection.ts";
import { qmailHome } from "../core/sys/home.ts";
import { QmqpServer } from "../core/wire/qmqp-server.ts";

const program = "qmail-qmqpd";
const now = (): number => Math.floor(Date.now() / 1000);

export async function main(args: Buffer[]): Promise<number> {
  if (isResident(args)) return await stay(args);
  const open = (): Submission => {
    process.chdir(qmailHome());
    return new Submission();
  };
  return await runSession(
    (peer) =>
      new QmqpServer(connection(), {
        reply: (bytes) => peer.write(bytes),
        now,
        open: () => attempt(open),
      }),
  );
}

async function stay(args: Buffer[]): Promise<number> {
  const { listen, listenOptions, serveSession, silentRefusal } = await import("../core/net/resident.ts");
  return await listen(listenOptions(program, args), {
    serve: (client, variable, changed) => {
      const queue = new MessageSlot(changed);
      const open = (): QmqpServer =>
        new QmqpServer(connection(variable), {
          reply: (bytes) => client.write(bytes),
          now,
          open: () => attempt(() => queue.open()),
        });
      return serveSession(client, open, queue);
    },
    refusal: silentRefusal,
  });
}

/** Where there is no home or no descriptor left the client, which gets no answer, will come again. */
function attempt(work: () => Submission): Submission {
  try {
    return work();
  } catch (failure) {
    if (isSystemError(failure)) throw temporary("");
    throw failure;
  }
}
