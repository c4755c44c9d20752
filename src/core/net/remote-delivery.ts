/**
 * A remote delivery from its arguments to its report in the form that qmail-remote(8) describes: where the message goes,
 * a connection, a session. What differs between a program for one delivery and one for many comes from outside.
 */
import { accessSync, constants } from "node:fs";
import { formatIp } from "../bytes/ip.ts";
import { bytes, lowerCase } from "../bytes/text.ts";
import { controlLine, controlNumber, me } from "../control/control.ts";
import { isSystemError } from "../exit.ts";
import { quote } from "../mail/quote.ts";
import { qmailHome } from "../sys/home.ts";
import type { Line } from "../sys/line.ts";
import { QmtpClient } from "../wire/qmtp-client.ts";
import { type Session, SmtpClient } from "../wire/smtp-client.ts";
import { Connection } from "./connection.ts";
import {
  type Exchanger,
  type Exchangers,
  hostAddresses,
  mailExchangers,
  type NameService,
} from "./exchangers.ts";
import type { Read } from "./message.ts";
import { isOwnAddress } from "./own-addresses.ts";
import { converseQmtp } from "./qmtp-delivery.ts";
import { type Route, routeFor } from "./routes.ts";
import { converse } from "./smtp-delivery.ts";
import { HostTimeouts, type TimeoutsOptions } from "./tcpto.ts";

const ports = { smtp: 25, qmtp: 209 } as const;
type Protocol = keyof typeof ports;
const at = 64;

const nothing = Buffer.alloc(0);

/** The message report, where the delivery never came to an SMTP session. */
class Verdict extends Error {}

const verdict = {
  home: "ZUnable to switch to home directory. (#4.3.0)\n",
  control: "ZUnable to read control files. (#4.3.0)\n",
  system: "ZSystem resources temporarily unavailable. (#4.3.0)\n",
  unknownHost: "ZSorry, I couldn't find any host by that name. (#4.1.2)\n",
  noExchanger: "DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n",
  mine:
    "DSorry. Although I'm listed as a best-preference MX or A for that host,\n" +
    "it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n",
  noConnection: "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n",
} as const;

/** What the control files say. */
interface Settings {
  helo: Buffer;
  patience: number;
  connectPatience: number;
  route: Route | undefined;
  protocol: Protocol;
}

/** What to deliver, and where. */
export interface Request {
  host: Buffer;
  sender: Buffer;
  recipients: readonly Buffer[];
  /** Reads the message from its beginning; called again for each attempt. */
  message: () => Read;
}

/** A connection with a session that can take another message. */
export interface OpenSession<Kind extends Line> {
  line: Kind;
  connection: Connection;
  /** The server's address, as it appears in reports. */
  partner: string;
  session: Session;
  /** How many messages it has had. */
  messages: number;
  /** When it was made, as performance.now() counts. */
  since: number;
}

/** How a program does what depends on how many deliveries it has. */
export interface Means<Kind extends Line> {
  /** The name service for one delivery. */
  names: () => NameService;
  connect: (address: Uint8Array, port: number, seconds: number) => Kind | Promise<Kind>;
  /** How the table of time-outs is used. */
  timeouts: () => TimeoutsOptions;
  /** Lets others have a turn. */
  turn: () => void | Promise<void>;
  /** Sessions that wait for their next message, by the way that messages go; absent: each ends with its message. */
  kept?: {
    take: (key: string) => OpenSession<Kind> | undefined;
    put: (key: string, session: OpenSession<Kind>) => void;
  };
}

/** Delivers; returns the recipient reports and the message report. */
export async function deliverRemotely<Kind extends Line>(
  request: Request,
  means: Means<Kind>,
): Promise<Buffer> {
  try {
    const settings = readSettings(request.host);
    return await transfer[settings.protocol](request, settings, means);
  } catch (failure) {
    if (!(failure instanceof Verdict)) throw failure;
    return bytes(`${failure.message}\0`);
  }
}

/** Who can not read the control files may not get into the home at all, which is told first. */
function withoutControls(): Verdict {
  try {
    accessSync(`${qmailHome()}/.`, constants.X_OK);
    return new Verdict(verdict.control);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    return new Verdict(verdict.home);
  }
}

type Transfer = <Kind extends Line>(
  request: Request,
  settings: Settings,
  means: Means<Kind>,
) => Promise<Buffer>;

/** How each protocol sends the message, and what it reports. */
const transfer: Readonly<Record<Protocol, Transfer>> = {
  smtp: async (request, settings, means) => {
    const key = wayOf(request.host, settings);
    const waiting = means.kept?.take(key);
    const report = waiting && (await transact(request, settings, means, waiting, key));
    return (
      report ??
      (await transact(request, settings, means, await reach(request.host, settings, means), key)) ??
      nothing
    );
  },
  qmtp: async ({ host, sender, recipients, message }, settings, means) => {
    const { line, connection, partner } = await reach(host, settings, means);
    const client = new QmtpClient(partner, recipients.length);
    try {
      await converseQmtp(connection, client, { sender, recipients }, message(), means.turn);
    } finally {
      line.close();
    }
    return client.report();
  },
};

/** Messages that go the same way can go by the same session. */
function wayOf(host: Buffer, { route, helo }: Settings): string {
  const name = lowerCase(route?.host ?? host).toString("latin1");
  return JSON.stringify([route === undefined ? "host" : "route", name, route?.port, helo.toString("latin1")]);
}

/** A new connection, or one that had messages before. */
type Way<Kind extends Line> = Omit<OpenSession<Kind>, "session"> & { session?: Session };

/** One SMTP transaction. Undefined: the session had come to its end, and the server does not have the message. */
async function transact<Kind extends Line>(
  { sender, recipients, message }: Request,
  { helo, patience }: Settings,
  { kept }: Means<Kind>,
  { session, ...way }: Way<Kind>,
  key: string,
): Promise<Buffer | undefined> {
  const addresses = { sender: inBrackets(sender), recipients: recipients.map(inBrackets) };
  const client = new SmtpClient(way.partner, { helo, ...addresses }, { keep: kept !== undefined, session });
  let next: Session | undefined;
  way.connection.patience = patience;
  try {
    await converse(way.connection, client, message());
    next = client.session;
  } finally {
    if (kept === undefined || next === undefined) way.line.close();
    else kept.put(key, { ...way, session: next, messages: way.messages + 1 });
  }
  return client.stale ? undefined : client.report();
}

/** A new connection to the host. */
async function reach<Kind extends Line>(
  host: Buffer,
  settings: Settings,
  means: Means<Kind>,
): Promise<Way<Kind>> {
  const exchangers = await reachable(host, settings.route, means.names());
  const { address, line } = await connect(exchangers, settings, means);
  const connection = new Connection(line, settings.patience);
  return { line, connection, partner: formatIp(address), messages: 0, since: performance.now() };
}

function readSettings(host: Buffer): Settings {
  try {
    const name = me();
    const patience = controlNumber("timeoutremote") ?? 1200;
    const connectPatience = controlNumber("timeoutconnect") ?? 60;
    const helo = controlLine("helohost") ?? name;
    if (helo === undefined) throw withoutControls();
    const qmtp = routeFor(host, "qmtproutes");
    const protocol = qmtp === undefined ? "smtp" : "qmtp";
    return { helo, patience, connectPatience, route: qmtp ?? routeFor(host, "smtproutes"), protocol };
  } catch (failure) {
    throw isSystemError(failure) ? withoutControls() : failure;
  }
}

/** The addresses to try, best first. Of a host that leads to ourselves, only those that come before us. */
async function reachable(host: Buffer, route: Route | undefined, names: NameService): Promise<Exchanger[]> {
  const name = (route?.host ?? host).toString("latin1");
  const find = route === undefined ? mailExchangers : (service: NameService) => hostAddresses(service, name);
  const exchangers = addressesIn(await find(names, name), name);
  if (route !== undefined) return exchangers;
  const mine = exchangers.filter(({ address }) => isOwnAddress(address)).map(({ preference }) => preference);
  const better = exchangers.filter(({ preference }) => preference < Math.min(...mine));
  if (better.length === 0) throw new Verdict(verdict.mine);
  return better;
}

function addressesIn(result: Exchangers, host: string): Exchanger[] {
  if (result.kind === "unknown") throw new Verdict(verdict.unknownHost);
  if (result.kind === "absent")
    throw new Verdict(`DSorry, I couldn't find any host named ${printable(host)}. (#5.1.2)\n`);
  if (result.exchangers.length > 0) return result.exchangers;
  throw new Verdict(result.incomplete ? verdict.unknownHost : verdict.noExchanger);
}

const printable = (text: string): string => text.replace(/[^!-~]/g, "?");

/** Connects to the first address that answers; whoever answers gets the message, whatever follows. */
async function connect<Kind extends Line>(
  exchangers: readonly Exchanger[],
  { route, protocol, connectPatience }: Settings,
  means: Means<Kind>,
): Promise<{ address: Uint8Array; line: Kind }> {
  for (const { address } of exchangers) {
    const timeouts = new HostTimeouts(address, means.timeouts());
    if (await timeouts.tooMany()) continue;
    try {
      const line = await means.connect(address, route?.port ?? ports[protocol], connectPatience);
      await timeouts.answered();
      return { address, line };
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      if (failure.code === "EMFILE" || failure.code === "ENFILE") throw new Verdict(verdict.system);
      if (failure.code === "ETIMEDOUT") await timeouts.timedOut();
      else await timeouts.answered();
    }
  }
  throw new Verdict(verdict.noConnection);
}

/** Where messages for a host are brought. */
export interface Destination {
  protocol: Protocol;
  /** The line of smtproutes or qmtproutes that says so; undefined: the DNS does. */
  route: Route | undefined;
  port: number;
  /** The addresses to try, best first. */
  exchangers: readonly Exchanger[];
}

/** Where a message for a host would be brought now, or the report of a delivery that would not come so far. */
export async function destinationOf(host: Buffer, names: NameService): Promise<Destination | string> {
  try {
    const { protocol, route } = readSettings(host);
    const exchangers = await reachable(host, route, names);
    return { protocol, route, port: route?.port ?? ports[protocol], exchangers };
  } catch (failure) {
    if (failure instanceof Verdict) return failure.message;
    throw failure;
  }
}

/** An address as it goes between angle brackets: its box quoted where that is necessary. */
function inBrackets(address: Buffer): Buffer {
  const end = address.lastIndexOf(at);
  return end < 0 ? address : Buffer.concat([quote(address.subarray(0, end)), address.subarray(end)]);
}
