/** What others say about a client of a server that stays: the DNS, and the client's own host. Asked only on request. */
import type { Endpoint } from "../sys/endpoints.ts";
import { connectLine } from "../sys/network-line.ts";
import { confirmedHostName, upToNul } from "./host-name.ts";
import { remoteUser } from "./ident.ts";
import { Resolver, systemSettings } from "./resolver.ts";

/** Seconds that an answer may take; undefined: not asked. */
export interface Inquiries {
  reverseDns: number | undefined;
  ident: number | undefined;
}

/** The variables of tcp-environ(5) that tell the answers. What came too late, or not at all, is missing. */
export async function inquire(
  local: Endpoint,
  remote: Endpoint,
  { reverseDns, ident }: Inquiries,
): Promise<Record<string, Buffer>> {
  const names = reverseDns === undefined ? undefined : new Resolver(systemSettings(), connectLine);
  const nameOf = ({ address }: Endpoint) =>
    names === undefined ? undefined : within(reverseDns, confirmedHostName(names, address));
  const [ours, theirs, user] = await Promise.all([
    nameOf(local),
    nameOf(remote),
    ident === undefined ? undefined : within(ident, remoteUser(connectLine, local, remote, ident)),
  ]);
  return {
    ...(ours === undefined ? {} : { TCPLOCALHOST: ours }),
    ...(theirs === undefined ? {} : { TCPREMOTEHOST: theirs }),
    ...(user === undefined ? {} : { TCPREMOTEINFO: upToNul(user) }),
  };
}

/** What is not there after so many seconds does not come any more. */
async function within<Answer>(seconds = 0, answer: Promise<Answer>): Promise<Answer | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, seconds * 1000);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}
