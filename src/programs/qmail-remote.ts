/** qmail-remote(8): sends a message, read from descriptor 0, to recipients at one host via SMTP, or QMTP by a route. */
import { bytes } from "../core/bytes/text.ts";
import { isSystemError } from "../core/exit.ts";
import { reader } from "../core/net/message.ts";
import { deliverRemotely } from "../core/net/remote-delivery.ts";
import { Resolver } from "../core/net/resolver.ts";
import { writeAll } from "../core/sys/fd.ts";
import { Socket } from "../core/sys/socket.ts";

const usage = "DI (qmail-remote) was invoked improperly. (#5.3.5)\n";

/** The result is in what is printed; the exit code is always 0. */
export async function main([host, sender, ...recipients]: Buffer[]): Promise<number> {
  if (host === undefined || sender === undefined || recipients.length === 0) writeReport(bytes(`${usage}\0`));
  else
    writeReport(
      await deliverRemotely(
        { host, sender, recipients, message: () => reader(0) },
        {
          names: () => new Resolver(),
          connect: (address, port, seconds) => Socket.connect("stream", address, port, seconds),
          timeouts: () => ({}),
          turn: () => undefined,
        },
      ),
    );
  return 0;
}

function writeReport(report: Buffer): void {
  try {
    writeAll(1, report);
  } catch (failure) {
    // Nobody reads: qmail-rspawn will say that nothing was said.
    if (!isSystemError(failure)) throw failure;
  }
}
