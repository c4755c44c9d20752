/** qmail-smtpd(8): takes mail from an SMTP client on descriptors 0 and 1 and gives it to qmail-queue. */
import { networkInterfaces } from "node:os";
import { bytes, lowerCase } from "../core/bytes/text.ts";
import { CdbDamaged } from "../core/control/cdbfile.ts";
import { controlLine, controlLines, controlNumber, me } from "../core/control/control.ts";
import { databytes } from "../core/control/databytes.ts";
import { HostList, RcptHosts } from "../core/control/rcpthosts.ts";
import type { Mailboxes } from "../core/delivery/mailbox.ts";
import { isSystemError } from "../core/exit.ts";
import { Submission } from "../core/queue/submit.ts";
import { environment } from "../core/sys/arguments.ts";
import { connection } from "../core/sys/connection.ts";
import { Peer, PeerGone, PeerTimeout } from "../core/sys/peer.ts";
import { type SmtpHost, SmtpServer, type SmtpSettings, smtpExtensions } from "../core/wire/smtp-server.ts";
import { plainLine, type Reply, replies } from "../core/wire/smtp-server-replies.ts";

const defaultTimeout = 1200;

/** Something is wrong on our side: the session ends with this reply. */
class Trouble extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(reply.text);
    this.reply = reply;
  }
}

export async function main(): Promise<number> {
  let peer = new Peer(defaultTimeout);
  let session: SmtpServer | undefined;
  try {
    const settings = attempt(replies.unreadableControls, readSettings);
    const recipients = attempt(replies.unreadableControls, () => ({
      allowed: new RcptHosts(),
      checked: HostList.read("validrcpt"),
    }));
    peer = new Peer(attempt(replies.unreadableControls, timeout));
    session = new SmtpServer(settings, new Host(peer, recipients));
    await session.greet();
    while (session.exitCode === undefined) await session.feed(peer.read());
    peer.flush();
    return session.exitCode;
  } catch (failure) {
    return end(peer, failure, session?.line ?? plainLine);
  }
}

/** Tells the client, if it is there, why the session ends. */
function end(peer: Peer, failure: unknown, line: (reply: Reply) => string): number {
  const reply = lastReply(failure);
  if (reply === undefined) return 1;
  try {
    peer.write(bytes(`${line(reply)}\r\n`));
    peer.flush();
  } catch (absence) {
    if (!(absence instanceof PeerGone)) throw absence;
  }
  return 1;
}

/** What is left to say; undefined: nobody is there. */
function lastReply(failure: unknown): Reply | undefined {
  if (failure instanceof PeerGone) return undefined;
  if (failure instanceof PeerTimeout) return replies.timeout;
  if (failure instanceof Trouble) return failure.reply;
  // In the middle of a message there was no way to qmail-queue.
  if (isSystemError(failure)) return replies.noQueue;
  throw failure;
}

/** Whose mail is taken, and at which of these hosts it is asked for each address whether it leads anywhere. */
interface Recipients {
  allowed: RcptHosts;
  checked: HostList | undefined;
}

/** What the session asks of us. */
class Host implements SmtpHost {
  readonly #peer: Peer;
  readonly #recipients: Recipients;
  #mailboxes: Mailboxes | undefined;
  constructor(peer: Peer, recipients: Recipients) {
    this.#peer = peer;
    this.#recipients = recipients;
  }

  reply(line: Buffer): void {
    this.#peer.write(line);
  }

  now(): number {
    return Math.floor(Date.now() / 1000);
  }

  isOurs(ip: string): boolean {
    const interfaces = attempt(replies.unknownAddresses, networkInterfaces);
    const addresses = Object.values(interfaces).flatMap((list) => list ?? []);
    // 0.0.0.0 is this host, too (RFC 1122, 3.2.1.3), and so is ::.
    return ip === "0.0.0.0" || ip === "::" || addresses.some(({ address }) => address === ip);
  }

  allows(recipient: Buffer): boolean {
    return attempt(replies.unreadableControls, () => this.#recipients.allowed.allows(recipient));
  }

  async exists(recipient: Buffer): Promise<boolean> {
    if (this.#recipients.checked?.has(recipient) !== true) return true;
    const { Mailboxes } = await import("../core/delivery/mailbox.ts");
    this.#mailboxes ??= attempt(replies.unreadableControls, () => new Mailboxes());
    return this.#mailboxes.mayHave(recipient);
  }

  open(): Submission | undefined {
    try {
      return new Submission();
    } catch (failure) {
      if (isSystemError(failure)) return undefined;
      throw failure;
    }
  }
}

/** What the control files and the environment say. */
function readSettings(): SmtpSettings {
  const ours = me();
  const greeting = controlLine("smtpgreeting") ?? ours;
  if (greeting === undefined) throw new Trouble(replies.unreadableControls);
  const wanted = new Set(
    controlLines("smtpextensions")?.map((line) => line.toString("latin1").toUpperCase()),
  );
  return {
    greeting,
    connection: connection(),
    relayClient: environment("RELAYCLIENT"),
    sizeLimit: databytes(),
    badSenders: new Set(controlLines("badmailfrom")?.map((line) => lowerCase(line).toString("latin1"))),
    localIpHost: controlLine("localiphost") ?? ours,
    extensions: new Set(smtpExtensions.filter((extension) => wanted.has(extension))),
  };
}

/** Seconds to wait for the client. */
function timeout(): number {
  return Math.max(controlNumber("timeoutsmtpd") ?? defaultTimeout, 1);
}

/** Does one step; where a file cannot be read, the session ends with `reply`. */
function attempt<Result>(reply: Reply, step: () => Result): Result {
  try {
    return step();
  } catch (failure) {
    if (isSystemError(failure) || failure instanceof CdbDamaged) throw new Trouble(reply);
    throw failure;
  }
}
