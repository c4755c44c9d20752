/** The Received field that a server puts before what it takes in (RFC 821, 4.1.1; RFC 822, 4.3.2). */
import { date822 } from "./date.ts";

/** Who sent what to whom. */
export interface Receipt {
  /** SMTP, ESMTPS, QMTP, ... */
  protocol: string;
  /** Our name for the address the client connected to. */
  local: Uint8Array | string;
  remoteIp: Uint8Array | string;
  remoteHost: Uint8Array | string;
  /** What the client's ident server told. */
  remoteInfo?: Uint8Array | string | undefined;
  /** What the client said after HELO, if that is worth telling. */
  helo?: Uint8Array | string | undefined;
}

/** A stranger's words, every byte that is unsafe in a header as a question mark. */
function safe(words: Uint8Array | string): string {
  const text = typeof words === "string" ? words : Buffer.from(words).toString("latin1");
  return text.replace(/[^A-Za-z0-9.@%+/=:[\]-]/g, "?");
}

/** The field with its line feed. */
export function receivedField(receipt: Receipt, unixSeconds: number): Buffer {
  const { protocol, local, remoteIp, remoteHost, remoteInfo, helo } = receipt;
  const greeting = helo === undefined ? "" : ` (HELO ${safe(helo)})`;
  const user = remoteInfo === undefined ? "" : `${safe(remoteInfo)}@`;
  return Buffer.from(
    `Received: from ${safe(remoteHost)}${greeting} (${user}${safe(remoteIp)})\n` +
      `  by ${safe(local)} with ${protocol}; ${date822(unixSeconds)}`,
    "latin1",
  );
}
