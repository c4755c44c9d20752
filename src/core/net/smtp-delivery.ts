/** An SMTP session over a connection: moves bytes between the engine, the server and the message. */
import { isSystemError } from "../exit.ts";
import { readSome } from "../sys/fd.ts";
import type { Socket } from "../sys/socket.ts";
import type { SmtpClient } from "../wire/smtp-client.ts";

const chunk = 65536;

/** The connection is of no use any more. */
class Dropped extends Error {}

/**
 * Holds the session to its end. `message`: a descriptor at the beginning of the message; `patience`: seconds that
 * the server may take each time.
 */
export function converse(socket: Socket, client: SmtpClient, message: number, patience: number): void {
  const input = Buffer.allocUnsafe(4096);
  try {
    while (client.state !== "over") {
      if (client.state === "message") sendMessage(socket, client, message, patience);
      else advance(socket, client, receive(socket, input, patience), patience);
    }
  } catch (failure) {
    if (!(failure instanceof Dropped)) throw failure;
    client.dropped();
  }
}

function advance(socket: Socket, client: SmtpClient, received: Uint8Array, patience: number): void {
  const answer = client.feed(received);
  try {
    send(socket, answer, patience);
  } catch (failure) {
    // The result stands before QUIT is sent; whether the server still takes it changes nothing.
    if (!(failure instanceof Dropped) || client.state !== "over") throw failure;
  }
}

function sendMessage(socket: Socket, client: SmtpClient, message: number, patience: number): void {
  const buffer = Buffer.allocUnsafe(chunk);
  let encoded: Buffer = Buffer.alloc(0);
  for (;;) {
    const length = read(message, buffer);
    if (length === undefined) client.unreadable();
    if (length === undefined) return;
    if (length === 0) break;
    send(socket, encoded, patience);
    encoded = client.body(buffer.subarray(0, length));
  }
  const end = client.bodyEnd();
  if (client.state !== "talk") return;
  // The last piece and the final dot travel together.
  send(socket, Buffer.concat([encoded, end]), patience);
  // The server may have answered before it was asked.
  advance(socket, client, Buffer.alloc(0), patience);
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

function receive(socket: Socket, buffer: Buffer, patience: number): Uint8Array {
  const length = orDropped(() => socket.receive(buffer, patience));
  if (length === 0) throw new Dropped("end of connection");
  return buffer.subarray(0, length);
}

function send(socket: Socket, bytes: Uint8Array, patience: number): void {
  if (bytes.length > 0) orDropped(() => socket.send(bytes, patience));
}

function orDropped<T>(operation: () => T): T {
  try {
    return operation();
  } catch (failure) {
    throw isSystemError(failure) ? new Dropped(failure.message) : failure;
  }
}
