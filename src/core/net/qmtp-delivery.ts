/** A message over a QMTP connection. */
import { isSystemError } from "../exit.ts";
import { type QmtpClient, type QmtpTransaction, qmtpFrame } from "../wire/qmtp-client.ts";
import { type Connection, Dropped } from "./connection.ts";
import type { Read } from "./message.ts";
import { Spool } from "./spool.ts";

const chunk = 65536;

/**
 * Sends the message and takes the answers. `message`: reads it from its beginning; `turn`: lets others have a turn while
 * it is read.
 */
export async function converseQmtp(
  connection: Connection,
  client: QmtpClient,
  transaction: QmtpTransaction,
  message: Read,
  turn: () => void | Promise<void>,
): Promise<void> {
  const spool = new Spool();
  try {
    if (!(await fill(spool, message, turn))) client.unreadable();
    else await exchange(connection, client, transaction, spool);
  } catch (failure) {
    if (!(failure instanceof Dropped)) throw failure;
    client.dropped();
  } finally {
    spool.close();
  }
}

/** False: the message can not be read, or not be kept until its size is known. */
async function fill(spool: Spool, message: Read, turn: () => void | Promise<void>): Promise<boolean> {
  try {
    const buffer = Buffer.allocUnsafe(chunk);
    for (let length = message(buffer); length > 0; length = message(buffer)) {
      spool.add(buffer.subarray(0, length));
      await turn();
    }
    return true;
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return false;
  }
}

async function exchange(
  connection: Connection,
  client: QmtpClient,
  transaction: QmtpTransaction,
  spool: Spool,
): Promise<void> {
  const { before, after } = qmtpFrame(spool.size, transaction);
  await connection.send(before);
  for (const piece of spool.pieces()) await connection.send(piece);
  client.sent();
  await connection.send(after);
  while (!client.over) client.feed(await connection.receive());
}
