/** An SMTP session over a connection: moves bytes between the engine, the server and the message. */
import { isSystemError } from "../exit.ts";
import type { SmtpClient } from "../wire/smtp-client.ts";
import { type Connection, Dropped } from "./connection.ts";
import type { Read } from "./message.ts";

/** All sessions read into it: what was read is encoded before anybody else has a turn. */
const buffer = Buffer.allocUnsafeSlow(16384);

const nothing = Buffer.alloc(0);

/** Holds the session to its end. `message`: reads the message from its beginning. */
export async function converse(connection: Connection, client: SmtpClient, message: Read): Promise<void> {
  try {
    await connection.send(client.begin());
    while (client.state !== "over") {
      if (client.state === "message") await sendMessage(connection, client, message);
      else await advance(connection, client, await connection.receive());
    }
  } catch (failure) {
    if (!(failure instanceof Dropped)) throw failure;
    client.dropped();
  }
}

async function advance(connection: Connection, client: SmtpClient, received: Uint8Array): Promise<void> {
  const answer = client.feed(received);
  try {
    await connection.send(answer);
  } catch (failure) {
    // The result stands before QUIT is sent; whether the server still takes it changes nothing.
    if (!(failure instanceof Dropped) || client.state !== "over") throw failure;
  }
}

async function sendMessage(connection: Connection, client: SmtpClient, message: Read): Promise<void> {
  let encoded: Buffer = nothing;
  for (;;) {
    const length = read(message, buffer);
    if (length === undefined) client.unreadable();
    if (length === undefined) return;
    if (length === 0) break;
    const next = client.body(buffer.subarray(0, length));
    await connection.send(encoded);
    encoded = next;
  }
  const end = client.bodyEnd();
  if (client.state !== "talk") return;
  // The last piece and the final dot travel together.
  await connection.send(Buffer.concat([encoded, end]));
  // The server may have answered before it was asked.
  await advance(connection, client, nothing);
}

/** Undefined: the message can not be read. */
function read(message: Read, buffer: Buffer): number | undefined {
  try {
    return message(buffer);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}
