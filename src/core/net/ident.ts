/** What the client's host tells about a connection. */
import { isSystemError } from "../exit.ts";
import type { Endpoint } from "../sys/endpoints.ts";
import type { Connect, Line } from "../sys/line.ts";
import { IdentAnswer, identQuestion } from "../wire/ident.ts";

const identPort = 113;

/** Asks over a line of that kind; each step may take so many seconds. Undefined: no answer. */
export async function remoteUser(
  connect: Connect,
  local: Endpoint,
  remote: Endpoint,
  seconds: number,
): Promise<Buffer | undefined> {
  try {
    const line = await connect("stream", remote.address, identPort, seconds, local.address);
    try {
      await line.send(identQuestion(remote.port, local.port), seconds);
      return await answer(line, seconds);
    } finally {
      line.close();
    }
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}

async function answer(line: Line, seconds: number): Promise<Buffer | undefined> {
  const reply = new IdentAnswer();
  const buffer = Buffer.allocUnsafe(1024);
  // A host that never ends its line does not keep us for ever.
  for (let total = 0; reply.user === undefined && total < 65536; ) {
    const length = await line.receive(buffer, seconds);
    if (length === 0) return undefined;
    total += length;
    reply.feed(buffer.subarray(0, length));
  }
  return reply.user;
}
