/**
 * Sends a message: `node send.js SENDER RECIPIENT...` with the message on descriptor 0. Exit codes as everywhere in
 * qmail: 100 is permanent, 111 is temporary.
 */
import { inject, QmailError } from "qmail-ts/inject";

const [sender = "", ...recipients] = process.argv.slice(2);
try {
  const sent = await inject(process.stdin, { sender, recipients });
  console.log(`queued by process ${sent.pid} for ${sent.recipients.map(text).join(" ")}`);
} catch (failure) {
  if (!(failure instanceof QmailError)) throw failure;
  console.error(`send: ${failure.message}`);
  process.exitCode = failure.kind === "permanent" ? 100 : 111;
}

function text(address: Uint8Array): string {
  return Buffer.from(address).toString();
}
