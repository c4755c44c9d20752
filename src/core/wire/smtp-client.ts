/**
 * The client's side of an SMTP session that delivers one message (RFC 5321), without I/O: bytes received go in, bytes
 * to send come out, and in the end there is a report for qmail-rspawn in the form that qmail-remote(8) describes.
 * If wanted, the session does not end there: the next client continues it with its own message.
 * As ever it says HELO. Only where the greeting speaks of ESMTP does it say EHLO, to use PIPELINING (RFC 2920) and
 * SMTPUTF8 (RFC 6531). For a single recipient DATA travels with MAIL and RCPT.
 */
import { bytes } from "../bytes/text.ts";
import { BodyEncoder } from "./smtp-client-body.ts";
import { isPermanent, isTemporary, type Reply, ReplyReader } from "./smtp-client-reply.ts";

/** What to deliver. Addresses are already in the form they have inside the angle brackets. */
export interface Transaction {
  helo: Buffer;
  sender: Buffer;
  recipients: readonly Buffer[];
}

/**
 * `talk`: give what arrives to feed(). `message`: give the message to body() and bodyEnd(). `over`: send what the last
 * call returned, if it can still be sent, and close; report() is complete.
 */
export type State = "talk" | "message" | "over";

/** What the next client has to know of a session that goes on. */
export interface Session {
  extensions: ReadonlySet<string>;
  /** The last transaction came to its regular end: no RSET is necessary. */
  clean: boolean;
}

/** `keep`: no QUIT where the session can go on; `session`: continue this one. */
export interface Continuation {
  keep?: boolean;
  session?: Session | undefined;
}

type Stage = "greeting" | "reset" | "ehlo" | "helo" | "mail" | "rcpt" | "data" | "final";

/** So many commands travel together at most: their replies always fit in what TCP buffers. */
const pipelined = 100;

/** The reply of a server that closes the connection (RFC 5321 section 3.8). */
const closing = 421;

const nothing = Buffer.alloc(0);

export class SmtpClient {
  state: State = "talk";
  /** When the state is `over`: the session as it can go on; undefined if it can not, or is not wanted to. */
  session: Session | undefined;
  /**
   * The session that this client was to continue was at its end, and the server does not have the message: whoever has
   * it delivers it from its beginning, by another connection. There is no report then.
   */
  stale = false;
  readonly #keep: boolean;
  readonly #continued: Session | undefined;
  readonly #partner: string;
  readonly #transaction: Transaction;
  readonly #report: Buffer[] = [];
  readonly #expected: Stage[] = [];
  readonly #extensions: Set<string>;
  readonly #encoder = new BodyEncoder();
  #reader = new ReplyReader();
  #outgoing: Buffer[] = [];
  /** Replies that came before the message was sent. */
  #early = nothing;
  #mailSent = false;
  #recipientsSent = 0;
  #recipientsAccepted = false;
  /** The final dot is on its way and not yet answered: the partner may have the message although we never hear of it. */
  #critical = false;
  /** The result is known, and with it whether the transaction came to its regular end; the session may go on. */
  #result: { clean: boolean } | undefined;
  /** The server takes part in the session as agreed, and did not say that it closes the connection. */
  #lasting = true;
  /** A reply has begun and not ended. */
  #within = false;

  /** `partner`: the server's address, as it appears in reports. */
  constructor(partner: string, transaction: Transaction, { keep = false, session }: Continuation = {}) {
    this.#partner = partner;
    this.#transaction = transaction;
    this.#keep = keep;
    this.#continued = session;
    this.#extensions = new Set(session?.extensions);
    if (session === undefined) this.#expected.push("greeting");
  }

  /** What to send before anything comes: nothing, unless this client continues a session. */
  begin(): Buffer {
    if (this.#continued?.clean === true) this.#advance();
    else if (this.#continued !== undefined) this.#command("reset", bytes("RSET\r\n"));
    return this.#take();
  }

  /** Takes what the server sent; returns what to send. */
  feed(received: Uint8Array): Buffer {
    const input = this.#early.length === 0 ? received : Buffer.concat([this.#early, received]);
    let offset = 0;
    while (this.state === "talk" && offset < input.length) {
      const { used, reply } = this.#reader.push(input, offset);
      offset += used;
      this.#within = used > 0 && reply === undefined;
      if (reply !== undefined) this.#answered(reply);
    }
    this.#early = Buffer.from(input.subarray(offset));
    if (this.#result !== undefined && this.state === "talk") this.#settle(this.#result.clean);
    return this.#take();
  }

  /** The next piece of the message, as it is to be sent: a copy. */
  body(piece: Uint8Array): Buffer {
    return this.#encoder.push(piece);
  }

  /** The message is complete; returns its end. */
  bodyEnd(): Buffer {
    const end = this.#encoder.end();
    if (end === undefined) {
      this.#finish("DSMTP cannot transfer messages with partial final lines. (#5.6.2)\n");
      return nothing;
    }
    this.#critical = true;
    this.state = "talk";
    this.#expected.push("final");
    return end;
  }

  /** The message can not be read. */
  unreadable(): void {
    this.#finish("ZUnable to read message. (#4.3.0)\n");
  }

  /** The connection ended, failed, or was silent for too long. */
  dropped(): void {
    if (this.#continued !== undefined && !this.#critical) {
      this.#abandon();
      return;
    }
    const duplicate = this.#critical ? "Possible duplicate! " : "";
    this.#finish(`ZConnected to ${this.#partner} but connection died. ${duplicate}(#4.4.2)\n`);
  }

  /** A recipient report each, and the message report. */
  report(): Buffer {
    return Buffer.concat(this.#report);
  }

  #answered(reply: Reply): void {
    const stage = this.#expected.shift();
    this.#reader = new ReplyReader();
    // A reply too many, or the one before the end: the next one would be taken for the answer to something else.
    if (stage === undefined || reply.code === closing) this.#lasting = false;
    // Behind the result come only the replies to what travelled together with what was refused.
    if (stage === "data" && this.#result !== undefined) this.#endUnwanted(reply);
    if (stage === undefined || this.#result !== undefined) return;
    if (!this.#lasting && this.#continued !== undefined && !this.#critical) this.#abandon();
    else this.#handlers[stage](reply);
    if (this.state === "talk" && this.#result === undefined && this.#expected.length === 0) this.#advance();
  }

  readonly #handlers: Readonly<Record<Stage, (reply: Reply) => void>> = {
    greeting: (reply) => {
      this.#lasting &&= reply.code === 220;
      if (reply.code !== 220) this.#quit("ZConnected to ", " but greeting failed", reply);
      else if (/\bESMTP\b/i.test(reply.text.toString("latin1"))) this.#hello("ehlo");
      else this.#hello("helo");
    },
    ehlo: (reply) => {
      if (reply.code === 250) this.#offered(reply);
      else if (isPermanent(reply.code)) this.#hello("helo");
      else this.#nameRejected(reply);
    },
    helo: (reply) => {
      if (reply.code !== 250) this.#nameRejected(reply);
    },
    reset: (reply) => {
      if (reply.code !== 250) this.#abandon();
    },
    mail: (reply) => {
      // Perhaps it has had enough of this session, and only that.
      if (this.#continued !== undefined && isTemporary(reply.code)) this.#abandon();
      else this.#unless(reply, "Connected to ", " but sender was rejected");
    },
    rcpt: (reply) => this.#recipient(reply),
    data: (reply) => {
      this.#unless(reply, "", " failed on DATA command");
      if (this.state === "talk" && this.#result === undefined) this.state = "message";
    },
    final: (reply) => {
      this.#critical = false;
      this.#unless(reply, "", " failed after I sent the message");
      if (this.state === "talk" && this.#result === undefined) this.#quit("K", " accepted message", reply);
    },
  };

  #hello(verb: "ehlo" | "helo"): void {
    this.#command(verb, bytes(`${verb.toUpperCase()} `), this.#transaction.helo, bytes("\r\n"));
  }

  #nameRejected(reply: Reply): void {
    this.#lasting = false;
    this.#quit("ZConnected to ", " but my name was rejected", reply);
  }

  #offered(reply: Reply): void {
    for (const line of reply.text.toString("latin1").split("\n").slice(1)) {
      const [word = ""] = line.slice(4).split(" ", 1);
      if (word !== "") this.#extensions.add(word.toUpperCase());
    }
  }

  /** Ends the session if the reply is a failure. */
  #unless(reply: Reply, before: string, after: string): void {
    if (isPermanent(reply.code)) this.#quit(`D${before}`, after, reply);
    else if (isTemporary(reply.code)) this.#quit(`Z${before}`, after, reply);
  }

  #recipient(reply: Reply): void {
    const letter = isPermanent(reply.code) ? "h" : isTemporary(reply.code) ? "s" : "r";
    if (letter === "r") this.#recipientsAccepted = true;
    else this.#say(`${letter}${this.#partner} does not like recipient.\n`, reply);
    this.#report.push(bytes(letter === "r" ? "r\0" : "\0"));
    // DATA has been sent already.
    if (letter !== "r" && this.#expected.length > 0 && this.#isAlone) this.#quit("DGiving up on ", "");
  }

  /** The only recipient: whether DATA makes sense is known together with all else. */
  get #isAlone(): boolean {
    return this.#transaction.recipients.length === 1;
  }

  /** A server that wants a message although nobody gets it is given none (RFC 2920 section 3.1), and is left. */
  #endUnwanted(reply: Reply): void {
    if (isPermanent(reply.code) || isTemporary(reply.code)) return;
    this.#lasting = false;
    this.#outgoing.push(bytes(".\r\n"));
  }

  /** Everything sent so far is answered: the next command, or as many as may travel together. */
  #advance(): void {
    const { recipients } = this.#transaction;
    const together = this.#extensions.has("PIPELINING");
    for (let room = together ? pipelined : 1; room > 0; room--) {
      const recipient = recipients[this.#recipientsSent];
      if (!this.#mailSent) this.#mail();
      else if (recipient !== undefined) this.#rcpt(recipient);
      else break;
    }
    const goesOn = this.#expected.length > 0;
    if (goesOn && !(together && this.#isAlone)) return;
    if (goesOn || this.#recipientsAccepted) this.#command("data", bytes("DATA\r\n"));
    else this.#quit("DGiving up on ", "");
  }

  #mail(): void {
    this.#mailSent = true;
    const { sender, recipients } = this.#transaction;
    const utf8 = this.#extensions.has("SMTPUTF8") && [sender, ...recipients].some(isInternational);
    this.#command("mail", bytes("MAIL FROM:<"), sender, bytes(utf8 ? "> SMTPUTF8\r\n" : ">\r\n"));
  }

  #rcpt(recipient: Buffer): void {
    this.#recipientsSent++;
    this.#command("rcpt", bytes("RCPT TO:<"), recipient, bytes(">\r\n"));
  }

  #command(stage: Stage, ...parts: Buffer[]): void {
    this.#expected.push(stage);
    this.#outgoing.push(...parts);
  }

  /** Says goodbye, and nobody waits for the answer; or leaves that to whoever keeps the session. */
  #quit(before: string, after: string, reply?: Reply): void {
    this.#say(`${before}${this.#partner}${after}.\n`, reply);
    if (this.#keep) {
      this.#report.push(bytes("\0"));
      this.#result = { clean: before === "K" };
      return;
    }
    this.#outgoing.push(bytes("QUIT\r\n"));
    this.#finish("");
  }

  /** Everything that came is read. The session goes on if nothing is missing and nothing is too much. */
  #settle(clean: boolean): void {
    const agreed = this.#expected.length === 0 && !this.#within && this.#early.length === 0;
    if (agreed && this.#lasting) this.session = { extensions: this.#extensions, clean };
    else this.#outgoing.push(bytes("QUIT\r\n"));
    this.state = "over";
  }

  #abandon(): void {
    this.#outgoing.push(bytes("QUIT\r\n"));
    this.stale = true;
    this.state = "over";
  }

  #say(text: string, reply?: Reply): void {
    this.#report.push(bytes(text));
    if (reply === undefined || reply.text.length === 0) return;
    const said = reply.text.map((byte) => (byte === 0 ? questionMark : byte));
    this.#report.push(bytes("Remote host said: "), Buffer.from(said));
  }

  #finish(text: string): void {
    this.#report.push(bytes(`${text}\0`));
    this.state = "over";
  }

  #take(): Buffer {
    const outgoing = Buffer.concat(this.#outgoing);
    this.#outgoing = [];
    return outgoing;
  }
}

const questionMark = 63;

const isInternational = (address: Buffer): boolean => address.some((byte) => byte > 127);
