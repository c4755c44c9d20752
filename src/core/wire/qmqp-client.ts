/** The client's side of QMQP (https://cr.yp.to/proto/qmqp.html), without I/O. */
import { bytes } from "../bytes/text.ts";

/** What goes in front of the message, and behind it. */
export interface Frame {
  before: Buffer;
  after: Buffer;
}

/** The request for a message of `size` bytes: a netstring of netstrings. `addresses`: the sender, then the recipients. */
export function qmqpFrame(size: number, addresses: readonly Buffer[]): Frame {
  const inner = bytes(`${size}:`);
  const after = Buffer.concat([bytes(","), ...addresses.flatMap(netstring)]);
  const whole = inner.length + size + after.length;
  return { before: Buffer.concat([bytes(`${whole}:`), inner]), after: Buffer.concat([after, bytes(",")]) };
}

const netstring = (text: Buffer): Buffer[] => [bytes(`${text.length}:`), text, bytes(",")];

/** K: the server has the message; Z: it may take it later; D: it never will. */
export type QmqpResult = "K" | "Z" | "D";

/** The result in what a server answered so far: the first letter that is one, wherever it stands. */
export function qmqpResult(received: Uint8Array): QmqpResult | undefined {
  for (const byte of received) {
    const letter = String.fromCharCode(byte);
    if (letter === "K" || letter === "Z" || letter === "D") return letter;
  }
  return undefined;
}
