/** qmail-qmqpc(8): takes a message as qmail-queue does and gives it to a QMQP server. */
import { type IpAddress, parseIp, parseLiteral, scanIpv4 } from "../core/bytes/ip.ts";
import { controlLines, me } from "../core/control/control.ts";
import { Exit, isSystemError } from "../core/exit.ts";
import { Spool } from "../core/net/spool.ts";
import { Reader } from "../core/sys/fd.ts";
import { qmailHome } from "../core/sys/home.ts";
import { Socket } from "../core/sys/socket.ts";
import { type QmqpResult, qmqpFrame, qmqpResult } from "../core/wire/qmqp-client.ts";

/** Exit codes, those of qmail-queue(8). */
const code = {
  accepted: 0,
  refused: 31,
  write: 53,
  read: 54,
  control: 55,
  socket: 56,
  home: 61,
  later: 71,
  timeout: 72,
  noConnection: 73,
  dropped: 74,
  format: 91,
} as const;

const results: Readonly<Record<QmqpResult, number>> = { K: code.accepted, Z: code.later, D: code.refused };

const qmqpPort = 628;
const connectPatience = 10;
const patience = 60;
const sender = 70;
const recipient = 84;

/** What to send, and to whom. */
interface Mail {
  message: Spool;
  addresses: Buffer[];
}

/** One line of control/qmqpservers. */
interface Server {
  address: IpAddress;
  port: number;
}

export function main(): number {
  orExit(code.home, () => process.chdir(qmailHome()));
  const lines = orExit(code.control, () => {
    me();
    return controlLines("qmqpservers");
  });
  if (lines === undefined) return code.control;
  const mail = { message: readMessage(), addresses: orExit(code.read, readEnvelope) };
  return offer(mail, lines.map((line) => line.toString("latin1")).flatMap(serverOf));
}

function orExit<T>(exitCode: number, action: () => T): T {
  try {
    return action();
  } catch (failure) {
    throw isSystemError(failure) ? new Exit(exitCode) : failure;
  }
}

function readMessage(): Spool {
  const input = new Reader(0);
  const message = new Spool();
  for (;;) {
    const piece = orExit(code.read, () => input.chunk());
    if (piece.length === 0) return message;
    orExit(code.write, () => message.add(piece));
  }
}

/** The sender and the recipients; exit 91 if the envelope is not complete. */
function readEnvelope(): Buffer[] {
  const input = new Reader(1);
  const addresses = [address(input, sender)];
  for (let next = address(input, recipient); next !== undefined; next = address(input, recipient))
    addresses.push(next);
  return addresses.flatMap((one) => one ?? []);
}

/** The next address, behind its letter; undefined at the end, which can not come in the place of the sender. */
function address(input: Reader, letter: number): Buffer | undefined {
  const line = input.line(0);
  if (line === undefined || line[line.length - 1] !== 0) throw new Exit(code.format);
  if (line.length < 2 && letter === recipient) return undefined;
  if (line[0] !== letter) throw new Exit(code.format);
  return Buffer.from(line.subarray(1, -1));
}

/** An IPv4 address, whatever follows it; or an IPv6 address; `:port` behind either, the latter in brackets then. */
function serverOf(line: string): Server[] {
  const four = scanIpv4(line);
  const [, bracketed = ""] = /^(\[.*?\])/.exec(line) ?? [];
  const found = four?.address ?? parseLiteral(bracketed) ?? parseIp(line);
  if (found === undefined) return [];
  const rest = line.slice(four?.length ?? bracketed.length);
  const port = /^:(\d+)/.exec(found.length === 16 && bracketed === "" ? "" : rest)?.[1];
  return [{ address: found, port: port === undefined ? qmqpPort : Number(port) }];
}

/** Tries one server after another until a connection stands; that one's answer counts. */
function offer(mail: Mail, servers: readonly Server[]): number {
  let failure: number = code.control;
  for (const server of servers) {
    const socket = connect(server);
    if (typeof socket === "number") failure = socket;
    else return orExit(code.dropped, () => transfer(mail, socket));
  }
  return failure;
}

/** A connection, or the exit code if no other server helps. */
function connect(server: Server): Socket | number {
  try {
    return Socket.connect("stream", server.address, server.port, connectPatience);
  } catch (failure) {
    if (!isSystemError(failure)) throw failure;
    if (failure.code === "EMFILE" || failure.code === "ENFILE") throw new Exit(code.socket);
    return failure.code === "ETIMEDOUT" ? code.timeout : code.noConnection;
  }
}

function transfer({ message, addresses }: Mail, socket: Socket): number {
  const { before, after } = qmqpFrame(message.size, addresses);
  socket.send(before, patience);
  for (const piece of message.pieces()) socket.send(piece, patience);
  socket.send(after, patience);
  const buffer = Buffer.alloc(128);
  for (;;) {
    const length = socket.receive(buffer, patience);
    if (length === 0) return code.dropped;
    const result = qmqpResult(buffer.subarray(0, length));
    if (result !== undefined) return results[result];
  }
}
