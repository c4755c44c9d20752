/** qmail-qmtpd(8): takes mail from a QMTP client on descriptors 0 and 1, or from all that connect, and gives it to qmail-queue. */
import { CdbDamaged } from "../core/control/cdbfile.ts";
import { atOneMoment, me } from "../core/control/control.ts";
import { databytes } from "../core/control/databytes.ts";
import { RcptHosts } from "../core/control/rcpthosts.ts";
import { isSystemError, temporary } from "../core/exit.ts";
import { isResident } from "../core/net/listen-options.ts";
import { runSession } from "../core/net/session.ts";
import { MessageSlot } from "../core/queue/slot.ts";
import { Submission } from "../core/queue/submit.ts";
import { environment } from "../core/sys/arguments.ts";
import { connection, type Variables } from "../core/sys/connection.ts";
import { qmailHome } from "../core/sys/home.ts";
import { type QmtpHost, QmtpServer, type QmtpSettings } from "../core/wire/qmtp-server.ts";

const program = "qmail-qmtpd";

export async function main(args: Buffer[]): Promise<number> {
  if (isResident(args)) return await stay(args);
  attempt(() => process.chdir(qmailHome()));
  const { settings, hosts } = readSettings(environment);
  return await runSession(
    (peer) =>
      new QmtpServer(settings, {
        ...common(hosts),
        reply: (bytes) => peer.write(bytes),
        open: () => attempt(() => new Submission()),
      }),
  );
}

async function stay(args: Buffer[]): Promise<number> {
  const { listen, listenOptions, serveSession, silentRefusal } = await import("../core/net/resident.ts");
  return await listen(listenOptions(program, args), {
    serve: (client, variable, changed) => {
      const queue = new MessageSlot(changed);
      let hosts: RcptHosts | undefined;
      const open = (): QmtpServer => {
        const read = readSettings(variable);
        hosts = read.hosts;
        return new QmtpServer(read.settings, {
          ...common(hosts),
          reply: (bytes) => client.write(bytes),
          open: () => attempt(() => queue.open()),
        });
      };
      const release = async (): Promise<void> => {
        hosts?.close();
        await queue.release();
      };
      return serveSession(client, open, { release });
    },
    refusal: silentRefusal,
  });
}

/** Settings of one session, and whose mail is taken. */
function readSettings(variable: Variables): { settings: QmtpSettings; hosts: RcptHosts } {
  const read = () => {
    me(); // Not needed; but where control files cannot be read, nothing is taken.
    const settings = {
      connection: connection(variable),
      relayClient: variable("RELAYCLIENT"),
      sizeLimit: databytes(variable),
    };
    return { settings, hosts: new RcptHosts() };
  };
  return attempt(() => atOneMoment(read));
}

function common(hosts: RcptHosts): Pick<QmtpHost, "now" | "allows"> {
  return {
    now: () => Math.floor(Date.now() / 1000),
    allows: (recipient) => attempt(() => hosts.allows(recipient)),
  };
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
