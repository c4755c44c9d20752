/** qmail-smtpd(8): takes mail from an SMTP client on descriptors 0 and 1, or from all that connect, and gives it to qmail-queue. */
import { bytes } from "../core/bytes/text.ts";
import { isResident } from "../core/net/listen-options.ts";
import { environment } from "../core/sys/arguments.ts";
import { Peer } from "../core/sys/peer.ts";
import { replies } from "../core/wire/smtp-server-replies.ts";
import { converse, defaultTimeout } from "./qmail-smtpd/session.ts";

export async function main(args: Buffer[]): Promise<number> {
  if (!isResident(args)) return await converse(new Peer(defaultTimeout), environment);
  const { listen, listenOptions } = await import("../core/net/resident.ts");
  return await listen(listenOptions("qmail-smtpd", args), {
    serve: async (client, variable, changed) => {
      await converse(client, variable, changed);
    },
    refusal: bytes(`${replies.tooManyClients.text}\r\n`),
    impatience: bytes(`${replies.impatient.text}\r\n`),
  });
}
