/** Every control file of qmail-control(5), and the words in which qmail-showctl tells what it means. */

/** A number: its value stands between `before` and `after`. */
export interface NumberFile {
  kind: "number";
  value: number;
  before: string;
  after: string;
}

/** A text; where there is none it is that of control/me if `me` is set, or else `value`. */
export interface TextFile {
  kind: "text";
  value: string;
  me: boolean;
  before: string;
}

/** A list; each entry stands between `before` and `after`, and `none` says what it means that there is no file. */
export interface ListFile {
  kind: "list";
  none: string;
  before: string;
  after: string;
}

/** What is said about a control file. */
export type ControlFile = NumberFile | TextFile | ListFile;

const number = (value: number, before: string, after = ""): NumberFile => ({
  kind: "number",
  value,
  before,
  after,
});
const text = (value: string, before: string): TextFile => ({ kind: "text", value, me: false, before });
const textOrMe = (value: string, before: string): TextFile => ({ kind: "text", value, me: true, before });
const list = (none: string, before: string, after = "."): ListFile => ({ kind: "list", none, before, after });

const toRecipients = "SMTP clients may send messages to recipients at ";

/** Every control file, in the order it is shown (qmail-control(5)). */
export const controlFiles: readonly (readonly [string, ControlFile])[] = [
  ["badmailfrom", list("Any MAIL FROM is allowed.", "", " not accepted in MAIL FROM.")],
  ["bouncefrom", text("MAILER-DAEMON", "Bounce user name is ")],
  ["bouncehost", textOrMe("bouncehost", "Bounce host name is ")],
  ["concurrencylocal", number(10, "Local concurrency is ")],
  ["concurrencyremote", number(20, "Remote concurrency is ")],
  ["databytes", number(0, "SMTP DATA limit is ", " bytes")],
  ["defaultdomain", textOrMe("defaultdomain", "Default domain name is ")],
  ["defaulthost", textOrMe("defaulthost", "Default host name is ")],
  ["doublebouncehost", textOrMe("doublebouncehost", "2B recipient host: ")],
  ["doublebounceto", text("postmaster", "2B recipient user: ")],
  ["envnoathost", textOrMe("envnoathost", "Presumed domain name is ")],
  ["helohost", textOrMe("helohost", "SMTP client HELO host name is ")],
  ["idhost", textOrMe("idhost", "Message-ID host name is ")],
  ["localiphost", textOrMe("localiphost", "Local IP address becomes ")],
  ["locals", list("Messages for me are delivered locally.", "Messages for ", " are delivered locally.")],
  ["me", text("undefined! Uh-oh", "My name is ")],
  ["percenthack", list("The percent hack is not allowed.", "The percent hack is allowed for user%host@")],
  ["plusdomain", textOrMe("plusdomain", "Plus domain name is ")],
  ["qmqpservers", list("No QMQP servers.", "QMQP server: ")],
  ["queuelifetime", number(604800, "Message lifetime in the queue is ", " seconds")],
  ["rcpthosts", list("SMTP clients may send messages to any recipient.", toRecipients)],
  ["morercpthosts", list("No effect.", toRecipients)],
  ["smtpgreeting", textOrMe("smtpgreeting", "SMTP greeting: 220 ")],
  ["smtproutes", list("No artificial SMTP routes.", "SMTP route: ", "")],
  ["timeoutconnect", number(60, "SMTP client connection timeout is ", " seconds")],
  ["timeoutremote", number(1200, "SMTP client data timeout is ", " seconds")],
  ["timeoutsmtpd", number(1200, "SMTP server data timeout is ", " seconds")],
  ["virtualdomains", list("No virtual domains.", "Virtual domain: ", "")],
];

/** Files that only this implementation has, shown where they are there. */
export const furtherFiles: ReadonlyMap<string, ControlFile> = new Map([
  ["dnsbl", list("Only RBLSMTPD counts.", "DNS list of SMTP clients: ", "")],
  ["qmtproutes", list("", "QMTP route: ", "")],
  ["smtpextensions", list("", "SMTP extension: ")],
  ["validrcpt", list("", "Recipients at ", " are looked up before SMTP mail for them is taken.")],
]);

/** What stands for morercpthosts where there is no rcpthosts, which lets everything through by itself. */
export const idleMorercpthosts = list(
  "No rcpthosts; morercpthosts is irrelevant.",
  "No rcpthosts; doesn't matter that morercpthosts has ",
);
