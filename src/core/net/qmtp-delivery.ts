/** A message over a QMTP connection. */
import { isSystemError } from "../exit.ts";
import { Reader } from "../sys/fd.ts";
import { type QmtpClient, type QmtpTransaction, qmtpFrame } from "../wire/qmtp-client.ts";
import { type Connection, Dropped } from "./connection.ts";
import { Spool } from "./spool.ts";

/** Sends the message and takes the answers. `message`: a descriptor at its beginning. */
export function converseQmtp(
  connection: Connection,
  client: QmtpClient,
  transaction: QmtpTransaction,
  message: number,
): void {
  const spool = new Spool();
  try {
    if (!fill(spool, message)) client.unreadable();
    else exchange(connection, client, transaction, spool);
  } catch (failure) {
    if (!(failure instanceof Dropped)) throw failure;
    client.dropped();
  } finally {
    spool.close();
  }
}

/** False: the message can not be read, or not be kept until its size is known. */
function fill(spool: Spool, message: number): boolean {
  try {
    const input = new Reader(message);
    for (let piece = input.chunk(); piece.length > 0; piece = input.chunk()) spool.add(piece);
    return true;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return false;
  }
}

function exchange(
  connection: Connection,
  client: QmtpClient,
  transaction: QmtpTransaction,
  spool: Spool,
): void {
  const { before, after } = qmtpFrame(spool.size, transaction);
  connection.send(before);
  for (const piece of spool.pieces()) connection.send(piece);
  client.sent();
  connection.send(after);
  while (!client.over) client.feed(connection.receive());
}
