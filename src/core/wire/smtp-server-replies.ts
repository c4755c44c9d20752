/** What an SMTP server says, in qmail's words, and how the same looks with RFC 2034's enhanced status codes. */

/** A reply's line without CR LF. */
export interface Reply {
  text: string;
  /** The enhanced code of a reply whose text names none; null: the reply has none anyway. */
  code?: string | null;
}

const reply = (text: string, code?: string | null): Reply => (code === undefined ? { text } : { text, code });

/** The fixed replies. */
export const replies = {
  badSender: reply("553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)"),
  data: reply("354 go ahead", null),
  flushed: reply("250 flushed", "2.0.0"),
  help: reply("214 qmail home page: https://cr.yp.to/qmail.html", "2.0.0"),
  impatient: reply("554 you spoke before you were greeted (#5.5.1)"),
  noGateway: reply("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
  noMailbox: reply("550 sorry, no mailbox here by that name (#5.1.1)"),
  noQueue: reply("451 qqt failure (#4.3.0)"),
  ok: reply("250 ok", "2.0.0"),
  recipientOk: reply("250 ok", "2.1.5"),
  senderOk: reply("250 ok", "2.1.0"),
  shuttingDown: reply("421 shutting down (#4.3.2)"),
  strayLineFeed: reply("451 See https://cr.yp.to/docs/smtplf.html.", "4.6.0"),
  syntax: reply("555 syntax error (#5.5.4)"),
  timeout: reply("451 timeout (#4.4.2)"),
  tooBig: reply("552 sorry, that message size exceeds my databytes limit (#5.3.4)"),
  tooManyClients: reply("421 too many connections, try again later (#4.3.2)"),
  tooManyHops: reply("554 too many hops, this message is looping (#5.4.6)"),
  tooManyRecipients: reply("452 too many recipients (#4.5.3)"),
  unimplemented: reply("502 unimplemented (#5.5.1)"),
  unreadableControls: reply("421 unable to read controls (#4.3.0)"),
  unknownAddresses: reply("421 unable to figure out my IP addresses (#4.3.0)"),
  verify: reply("252 send some mail, i'll try my best", "2.1.5"),
  wantMail: reply("503 MAIL first (#5.5.1)"),
  wantRecipient: reply("503 RCPT first (#5.5.1)"),
} as const satisfies Readonly<Record<string, Reply>>;

const named = / \(#([245]\.\d{1,3}\.\d{1,3})\)$/;

/** The line as qmail has always said it. */
export const plainLine = ({ text }: Reply): string => text;

/** The line with its code behind the number: `553 5.7.1 sorry, ...`; greetings and 354 have none. */
export function enhancedLine({ text, code }: Reply): string {
  if (code === null) return text;
  const kind = text.charAt(0);
  const inText = named.exec(text)?.[1];
  const enhanced = inText?.startsWith(kind) ? inText : (code ?? `${kind}.0.0`);
  return `${text.slice(0, 3)} ${enhanced} ${text.slice(4).replace(named, "")}`;
}
