/** What the client's host tells about a connection. */
import { isSystemError } from "../exit.ts";
import type { Endpoint } from "../sys/endpoints.ts";
import { Socket } from "../sys/socket.ts";
import { IdentAnswer, identQuestion } from "../wire/ident.ts";

const identPort = 113;

/** Asks; each step may take so many seconds. Undefined: no answer. */
export function remoteUser(local: Endpoint, remote: Endpoint, seconds: number): Buffer | undefined {
  try {
    const socket = Socket.connect("stream", remote.address, identPort, seconds, local.address);
    try {
      socket.send(identQuestion(remote.port, local.port), seconds);
      return answer(socket, seconds);
    } finally {
      socket.close();
    }
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}

function answer(socket: Socket, seconds: number): Buffer | undefined {
  const reply = new IdentAnswer();
  const buffer = Buffer.allocUnsafe(1024);
  // A host that never ends its line does not keep us for ever.
  for (let total = 0; reply.user === undefined && total < 65536; ) {
    const length = socket.receive(buffer, seconds);
    if (length === 0) return undefined;
    total += length;
    reply.feed(buffer.subarray(0, length));
  }
  return reply.user;
}
