/** An SMTP session over a connection: moves bytes between the engine, the server and the message. */
import { isSystemError } from "../exit.ts";
import { readSome } from "../sys/fd.ts";
import type { SmtpClient } from "../wire/smtp-client.ts";
import { type Connection, Dropped } from "./connection.ts";

const chunk = 65536;

/** Holds the session to its end. `message`: a descriptor at the beginning of the message. */
export function converse(connection: Connection, client: SmtpClient, message: number): void {
  try {
    while (client.state !== "over") {
      if (client.state === "message") sendMessage(connection, client, message);
      else advance(connection, client, connection.receive());
    }
  } catch (failure) {
    if (!(failure instanceof Dropped)) throw failure;
    client.dropped();
  }
}

function advance(connection: Connection, client: SmtpClient, received: Uint8Array): void {
  const answer = client.feed(received);
  try {
    connection.send(answer);
  } catch (failure) {
    // The result stands before QUIT is sent; whether the server still takes it changes nothing.
    if (!(failure instanceof Dropped) || client.state !== "over") throw failure;
  }
}

function sendMessage(connection: Connection, client: SmtpClient, message: number): void {
  const buffer = Buffer.allocUnsafe(chunk);
  let encoded: Buffer = Buffer.alloc(0);
  for (;;) {
    const length = read(message, buffer);
    if (length === undefined) client.unreadable();
    if (length === undefined) return;
    if (length === 0) break;
    connection.send(encoded);
    encoded = client.body(buffer.subarray(0, length));
  }
  const end = client.bodyEnd();
  if (client.state !== "talk") return;
  // The last piece and the final dot travel together.
  connection.send(Buffer.concat([encoded, end]));
  // The server may have answered before it was asked.
  advance(connection, client, Buffer.alloc(0));
}

/** Undefined: the message can not be read. */
function read(message: number, buffer: Buffer): number | undefined {
  try {
    return readSome(message, buffer);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return undefined;
  }
}
