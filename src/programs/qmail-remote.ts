/** qmail-remote(8): sends a message, read from descriptor 0, to recipients at one host via SMTP, or QMTP by a route. */
import { formatIp } from "../core/bytes/ip.ts";
import { bytes } from "../core/bytes/text.ts";
import { controlLine, controlNumber, me } from "../core/control/control.ts";
import { isSystemError } from "../core/exit.ts";
import { quote } from "../core/mail/quote.ts";
import { Connection } from "../core/net/connection.ts";
import { type Exchanger, type Exchangers, hostAddresses, mailExchangers } from "../core/net/exchangers.ts";
import { isOwnAddress } from "../core/net/own-addresses.ts";
import { converseQmtp } from "../core/net/qmtp-delivery.ts";
import { Resolver } from "../core/net/resolver.ts";
import { type Route, routeFor } from "../core/net/routes.ts";
import { converse } from "../core/net/smtp-delivery.ts";
import { HostTimeouts } from "../core/net/tcpto.ts";
import { writeAll } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";
import { Socket } from "../core/sys/socket.ts";
import { QmtpClient } from "../core/wire/qmtp-client.ts";
import { SmtpClient } from "../core/wire/smtp-client.ts";

const ports = { smtp: 25, qmtp: 209 } as const;
type Protocol = keyof typeof ports;
const at = 64;

/** The message report, where the delivery never came to an SMTP session. */
class Verdict extends Error {}

const verdict = {
  usage: "DI (qmail-remote) was invoked improperly. (#5.3.5)\n",
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

/** The result is in what is printed; the exit code is always 0. */
export function main(args: Buffer[]): number {
  try {
    writeReport(deliver(args));
  } catch (failure) {
    if (!(failure instanceof Verdict)) throw failure;
    writeReport(bytes(`${failure.message}\0`));
  }
  return 0;
}

function writeReport(report: Buffer): void {
  try {
    writeAll(1, report);
  } catch (failure) {
    // Nobody reads: qmail-rspawn will say that nothing was said.
    if (!isSystemError(failure)) throw failure;
  }
}

function deliver([host, sender, ...recipients]: Buffer[]): Buffer {
  if (host === undefined || sender === undefined || recipients.length === 0) throw new Verdict(verdict.usage);
  enterHome();
  const settings = readSettings(host);
  const { address, socket } = connect(reachable(host, settings.route), settings);
  const connection = new Connection(socket, settings.patience);
  return transfer[settings.protocol](connection, formatIp(address), {
    helo: settings.helo,
    sender,
    recipients,
  });
}

/** What to say to the server; addresses as they came in the arguments. */
interface Envelope {
  helo: Buffer;
  sender: Buffer;
  recipients: readonly Buffer[];
}

type Transfer = (connection: Connection, partner: string, envelope: Envelope) => Buffer;

/** How each protocol sends the message, and what it reports. */
const transfer: Readonly<Record<Protocol, Transfer>> = {
  smtp: (connection, partner, { helo, sender, recipients }) => {
    const addresses = { sender: inBrackets(sender), recipients: recipients.map(inBrackets) };
    const client = new SmtpClient(partner, { helo, ...addresses });
    converse(connection, client, 0);
    return client.report();
  },
  qmtp: (connection, partner, envelope) => {
    const client = new QmtpClient(partner, envelope.recipients.length);
    converseQmtp(connection, client, envelope, 0);
    return client.report();
  },
};

function enterHome(): void {
  try {
    process.chdir(qmailHome());
  } catch (failure) {
    throw isSystemError(failure) ? new Verdict(verdict.home) : failure;
  }
}

function readSettings(host: Buffer): Settings {
  try {
    const name = me();
    const patience = controlNumber("timeoutremote") ?? 1200;
    const connectPatience = controlNumber("timeoutconnect") ?? 60;
    const helo = controlLine("helohost") ?? name;
    if (helo === undefined) throw new Verdict(verdict.control);
    const qmtp = routeFor(host, "qmtproutes");
    const protocol = qmtp === undefined ? "smtp" : "qmtp";
    return { helo, patience, connectPatience, route: qmtp ?? routeFor(host, "smtproutes"), protocol };
  } catch (failure) {
    throw isSystemError(failure) ? new Verdict(verdict.control) : failure;
  }
}

/** The addresses to try, best first. Of a host that leads to ourselves, only those that come before us. */
function reachable(host: Buffer, route: Route | undefined): Exchanger[] {
  const name = (route?.host ?? host).toString("latin1");
  const resolver = new Resolver();
  const exchangers = addressesIn(
    route === undefined ? mailExchangers(resolver, name) : hostAddresses(resolver, name),
    name,
  );
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
function connect(
  exchangers: readonly Exchanger[],
  { route, protocol, connectPatience }: Settings,
): { address: Uint8Array; socket: Socket } {
  for (const { address } of exchangers) {
    const timeouts = new HostTimeouts(address);
    if (timeouts.tooMany()) continue;
    try {
      const socket = Socket.connect("stream", address, route?.port ?? ports[protocol], connectPatience);
      timeouts.answered();
      return { address, socket };
    } catch (failure) {
      if (!isSystemError(failure)) throw failure;
      if (failure.code === "EMFILE" || failure.code === "ENFILE") throw new Verdict(verdict.system);
      if (failure.code === "ETIMEDOUT") timeouts.timedOut();
      else timeouts.answered();
    }
  }
  throw new Verdict(verdict.noConnection);
}

/** An address as it goes between angle brackets: its box quoted where that is necessary. */
function inBrackets(address: Buffer): Buffer {
  const end = address.lastIndexOf(at);
  return end < 0 ? address : Buffer.concat([quote(address.subarray(0, end)), address.subarray(end)]);
}
