/** qreceipt(1): answers the senders who ask whether their message has arrived. */
import { bytes } from "../core/bytes/text.ts";
import { isSystemError, permanent, temporary } from "../core/exit.ts";
import { inOrder, rewriteAddresses } from "../core/mail/addresses.ts";
import { knownField, readHeader } from "../core/mail/header.ts";
import { quoteAddress } from "../core/mail/quote.ts";
import { tokenize, unquote } from "../core/mail/token822.ts";
import { Submission } from "../core/queue/submit.ts";
import { environment } from "../core/sys/arguments.ts";
import { Reader } from "../core/sys/fd.ts";

const program = "qreceipt";
const usage = `${program}: usage: ${program} deliveryaddress\n`;

export async function main([target]: Buffer[]): Promise<number> {
  const sender = environment("SENDER");
  if (target === undefined || sender === undefined) throw permanent(usage);
  const { asked, messageId } = readRequest(target.toString("latin1"));
  const bounce = ["", "#@[]"].includes(sender.toString("latin1"));
  if (asked && !bounce) await send(receipt(target, sender, messageId), sender);
  return 0;
}

/** What the header of the message on descriptor 0 asks for. `messageId` is the whole field. */
interface Request {
  asked: boolean;
  messageId: Buffer | undefined;
}

/** Reads the message to its end, so that whoever writes it into a pipe can finish. */
function readRequest(target: string): Request {
  const request: Request = { asked: false, messageId: undefined };
  const reader = new Reader(0);
  try {
    readHeader(
      () => reader.line(),
      (field) => {
        const name = knownField(field);
        if (name === "message-id") request.messageId = field;
        if (name === "notice-requested-upon-delivery-to" && names(field).includes(target))
          request.asked = true;
      },
    );
    while (reader.chunk().length > 0);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    throw temporary(`${program}: fatal: read error\n`);
  }
  return request;
}

/** The addresses in a field, without quoting. */
function names(field: Buffer): string[] {
  const text = field.toString("latin1");
  const addresses: string[] = [];
  const list = rewriteAddresses(tokenize(text) ?? unparsable(text), (address) => {
    addresses.push(unquote(inOrder(address)));
    return address;
  });
  return list === undefined ? unparsable(text) : addresses;
}

function unparsable(field: string): never {
  throw permanent(`${program}: fatal: unable to parse this: ${field}`);
}

function receipt(target: Buffer, sender: Buffer, messageId: Buffer | undefined): Buffer {
  const to = quoteAddress(sender);
  return Buffer.concat([
    ...[bytes("From: DELIVERY NOTICE SYSTEM <"), to, bytes(">\nTo: <"), to, bytes(">\n")],
    bytes("Subject: success notice\n\n"),
    bytes("Hi! This is the qreceipt program. Your message was delivered to the\n"),
    ...[bytes("following address: "), target, bytes(". Thanks for asking.\n")],
    ...(messageId === undefined ? [] : [bytes("Your "), messageId]),
  ]);
}

async function send(message: Buffer, recipient: Buffer): Promise<void> {
  const submission = new Submission();
  submission.message(message);
  submission.from(Buffer.alloc(0));
  submission.to(recipient);
  const verdict = await submission.close();
  if (verdict.accepted) return;
  if (verdict.report.startsWith("D")) throw permanent(`${program}: fatal: permanent qmail-queue error\n`);
  throw temporary(`${program}: fatal: temporary qmail-queue error\n`);
}
