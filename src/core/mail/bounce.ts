/**
 * The words of a bounce (qmail-send(8)). Addresses and reports are strings whose characters are bytes.
 */
import { date822 } from "./date.ts";
import { quote, quoteAddress } from "./quote.ts";

const asBytes = (text: string): Buffer => Buffer.from(text, "latin1");
const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Whom bounces come from and where bounces of bounces go. */
export interface BounceAddresses {
  /** control/bouncefrom: a box, not yet quoted. */
  from: string;
  /** control/bouncehost. */
  host: string;
  /** Address for double bounces, with its host. */
  postmaster: string;
}

/**
 * What a failed delivery leaves in the bounce file: the address, the report, a blank line. The report cannot end its
 * paragraph: an empty line in it becomes a slash.
 */
export function failureParagraph(recipient: string, report: string): string {
  const open = report !== "" && !report.endsWith("\n");
  const text = `<${recipient.replaceAll("\n", "_")}>:\n${report}${open ? "\n" : ""}`;
  const last = text.slice(-1);
  return `${text.slice(0, -1).replace(/(?<=\n)\n/g, "/")}${last}\n`;
}

/** The sender that a bounce goes to: the list owner's address of a `-@[]` sender, else the sender. */
export function bounceRecipient(sender: string): string {
  return sender.endsWith("-@[]") ? sender.slice(0, -4) : sender;
}

/** Sender of double bounces; what bounces for this sender is discarded. */
export const doubleBounceSender = "#@[]";

/** The envelope of the bounce of a message from `sender` (as bounceRecipient gives it). */
export function bounceEnvelope(
  sender: string,
  { postmaster }: BounceAddresses,
): { sender: string; recipient: string } {
  return sender === ""
    ? { sender: doubleBounceSender, recipient: postmaster }
    : { sender: "", recipient: sender };
}

/** The bounce's header and the words in front of the failures. */
export function bounceHead(sender: string, addresses: BounceAddresses, unixSeconds: number): string {
  const { recipient } = bounceEnvelope(sender, addresses);
  const excuse =
    sender === ""
      ? "I tried to deliver a bounce message to this address, but the bounce bounced!\n\n"
      : "I'm afraid I wasn't able to deliver your message to the following addresses.\n" +
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n";
  return (
    `Date: ${date822(unixSeconds)}` +
    `From: ${asText(quote(asBytes(addresses.from)))}@${addresses.host}\n` +
    `To: ${asText(quoteAddress(asBytes(recipient)))}\n` +
    "Subject: failure notice\n\n" +
    `Hi. This is the qmail-send program at ${addresses.host}.\n${excuse}`
  );
}

/** What stands between the failures and the copy of the message. */
export function bounceMiddle(sender: string): string {
  const what = sender === "" ? "the original bounce" : "a copy of the message";
  return `--- Below this line is ${what}.\n\nReturn-Path: <${asText(quoteAddress(asBytes(sender)))}>\n`;
}
