/** One session of qmail-smtpd(8), whoever runs it: the one-shot program, or the server that stays. */
import { networkInterfaces } from "node:os";
import { bytes, lowerCase } from "../../core/bytes/text.ts";
import { CdbDamaged } from "../../core/control/cdbfile.ts";
import { atOneMoment, controlLine, controlLines, controlNumber, me } from "../../core/control/control.ts";
import { databytes } from "../../core/control/databytes.ts";
import { HostList, RcptHosts } from "../../core/control/rcpthosts.ts";
import type { Mailboxes } from "../../core/delivery/mailbox.ts";
import { isSystemError } from "../../core/exit.ts";
import type { Resolver } from "../../core/net/resolver.ts";
import { residentQueue } from "../../core/queue/resident-client.ts";
import { Submission } from "../../core/queue/submit.ts";
import { environmentBytes } from "../../core/sys/arguments.ts";
import { connection, type Variables } from "../../core/sys/connection.ts";
import { type Client, PeerDraining, PeerGone, PeerTimeout } from "../../core/sys/peer.ts";
import { type SmtpHost, SmtpServer, type SmtpSettings, smtpExtensions } from "../../core/wire/smtp-server.ts";
import { plainLine, type Reply, replies } from "../../core/wire/smtp-server-replies.ts";

/** Seconds to wait for a client, unless control/timeoutsmtpd says otherwise. */
export const defaultTimeout = 1200;

/** Something is wrong on our side: the session ends with this reply. */
class Trouble extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(reply.text);
    this.reply = reply;
  }
}

/**
 * Holds the session to its end; returns qmail-smtpd's exit code. `changed`: the environment of this connection where
 * it is not the process's.
 */
export async function converse(
  client: Client,
  variable: Variables,
  changed?: Readonly<Record<string, Buffer>>,
): Promise<number> {
  let session: SmtpServer | undefined;
  let host: Host | undefined;
  try {
    const { settings, patience, recipients } = attempt(replies.unreadableControls, () =>
      atOneMoment(() => ({
        settings: readSettings(variable),
        patience: timeout(),
        recipients: { checked: HostList.read("validrcpt"), allowed: new RcptHosts() },
      })),
    );
    host = new Host(client, recipients, variable, changed);
    client.setPatience(patience);
    session = new SmtpServer(settings, host);
    await session.greet();
    while (session.exitCode === undefined) await session.feed(await client.read(session.inTransaction));
    await client.flush();
    return session.exitCode;
  } catch (failure) {
    return await end(client, failure, session?.line ?? plainLine);
  } finally {
    if (changed !== undefined) await host?.release();
  }
}

/** Tells the client, if it is there, why the session ends. */
async function end(client: Client, failure: unknown, line: (reply: Reply) => string): Promise<number> {
  const reply = lastReply(failure);
  if (reply === undefined) return 1;
  try {
    await client.write(bytes(`${line(reply)}\r\n`));
    await client.flush();
  } catch (absence) {
    if (!(absence instanceof PeerGone)) throw absence;
  }
  return 1;
}

/** What is left to say; undefined: nobody is there. */
function lastReply(failure: unknown): Reply | undefined {
  if (failure instanceof PeerGone) return undefined;
  if (failure instanceof PeerTimeout) return replies.timeout;
  if (failure instanceof PeerDraining) return replies.shuttingDown;
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
  readonly #client: Client;
  readonly #changed: Readonly<Record<string, Buffer>> | undefined;
  #message: Submission | undefined;
  readonly #recipients: Recipients;
  readonly #variable: Variables;
  #mailboxes: Mailboxes | undefined;
  /** What the lists say, once they were asked. */
  #verdict: { refusal: Promise<Reply | undefined> | undefined } | undefined;
  constructor(
    client: Client,
    recipients: Recipients,
    variable: Variables,
    changed: Readonly<Record<string, Buffer>> | undefined,
  ) {
    this.#client = client;
    this.#recipients = recipients;
    this.#variable = variable;
    this.#changed = changed;
  }

  reply(line: Buffer): void | Promise<void> {
    return this.#client.write(line);
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
    const { Mailboxes } = await import("../../core/delivery/mailbox.ts");
    this.#mailboxes ??= attempt(replies.unreadableControls, () => new Mailboxes());
    return this.#mailboxes.mayHave(recipient);
  }

  refusal(): Promise<Reply | undefined> | undefined {
    if (this.#verdict === undefined) {
      const lines = attempt(replies.unreadableControls, () => controlLines("dnsbl"));
      this.#verdict = { refusal: lines && this.#askLists(lines) };
    }
    return this.#verdict.refusal;
  }

  /** Once a session. Whoever may relay is known already. */
  async #askLists(lines: readonly Buffer[]): Promise<Reply | undefined> {
    const { blockList, refusalFor, saidOf } = await import("../../core/net/blocklists.ts");
    const said = saidOf(this.#variable("RBLSMTPD"));
    if (said !== undefined) return said === "welcome" ? undefined : said;
    const ip = this.#variable("TCPREMOTEIP");
    if (ip === undefined || this.#variable("RELAYCLIENT") !== undefined) return undefined;
    const lists = lines.map((line) => blockList(line.toString("latin1")));
    return await refusalFor(await this.#names(), lists, ip.toString("latin1"));
  }

  /** One of many sessions must not wait for the DNS as the only one may. */
  async #names(): Promise<Resolver> {
    const { Resolver, systemSettings } = await import("../../core/net/resolver.ts");
    if (this.#changed === undefined) return new Resolver();
    const { connectLine } = await import("../../core/sys/network-line.ts");
    return new Resolver(systemSettings(), connectLine);
  }

  open(): Submission | undefined {
    try {
      const environment = this.#changed && { ...environmentBytes(), ...this.#changed };
      this.#message = new Submission(environment, this.#changed && residentQueue());
      return this.#message;
    } catch (failure) {
      if (isSystemError(failure)) return undefined;
      throw failure;
    }
  }

  /** Closes what a process that goes on must not leave open. */
  async release(): Promise<void> {
    this.#recipients.allowed.close();
    await this.#message?.release();
  }
}

/** What the control files and the environment say. */
function readSettings(variable: Variables): SmtpSettings {
  const ours = me();
  const greeting = controlLine("smtpgreeting") ?? ours;
  if (greeting === undefined) throw new Trouble(replies.unreadableControls);
  const wanted = new Set(
    controlLines("smtpextensions")?.map((line) => line.toString("latin1").toUpperCase()),
  );
  return {
    greeting,
    connection: connection(variable),
    relayClient: variable("RELAYCLIENT"),
    sizeLimit: databytes(variable),
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
